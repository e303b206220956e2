package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithoutDataItSaysSo(t *testing.T) {
	var out strings.Builder
	if err := run(&out, filepath.Join(t.TempDir(), "absent")); err != nil || !strings.HasPrefix(out.String(), "SKIPPED: ") {
		t.Errorf("got %q, %v, want to be told that it is skipped", out.String(), err)
	}
}

// Two series, one of them with a step that all three people marked.
func TestScores(t *testing.T) {
	type series struct {
		Values      []float64        `json:"values"`
		Annotations map[string][]int `json:"annotations"`
	}
	quiet := series{Annotations: map[string][]int{"1": {}, "2": {}, "3": {}}}
	stepped := series{Annotations: map[string][]int{"1": {40}, "2": {40}, "3": {40}}}
	for i := range 80 {
		v := 100 + float64(i*i%7)/7
		quiet.Values = append(quiet.Values, v)
		if i >= 40 {
			v += 10
		}
		stepped.Values = append(stepped.Values, v)
	}
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	if err := errors.Join(json.NewEncoder(z).Encode(map[string]series{"quiet": quiet, "stepped": stepped}), z.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "series.json.gz"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(&out, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"all            2  1.0000    1.0000  0/1 (0 %), 0/1 (0 %), 0/1 (0 %)",
		"step 10 %: strict 1/1 (100 %), weak 1/1 (100 %); strict ones elsewhere: 0",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant %q in it", out.String(), want)
		}
	}
}
