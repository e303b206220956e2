package main

import (
	"errors"
	"strings"
	"testing"
)

// Whatever a file holds, each line is either handed on with two columns or named
// with its place.
func FuzzReadColumns(f *testing.F) {
	for _, text := range []string{"", "concurrency,throughput\n1,10\n", "\ufeff# c\n1,2\n", "1\n", "a,b\nc,d\n", "\"1\n", "1,2,3\r\n\r\n4,5", ",\n,", "1,\"2\"\"\"\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := 0
		err := readColumns("-", strings.NewReader(text), "concurrency,throughput", func(first, second string) error {
			lines++
			if first == "1" && second == "2" {
				return errors.New("found")
			}
			return nil
		})
		if err != nil && !strings.HasPrefix(err.Error(), "-:") {
			t.Errorf("got %q, want the place first", err)
		}
		if most := strings.Count(text, "\n") + strings.Count(text, "\r") + 1; lines > most {
			t.Errorf("got %d lines of a text of %d", lines, most)
		}
	})
}
