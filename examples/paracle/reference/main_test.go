package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.yaml")
	if err := os.WriteFile(other, []byte(strings.Replace(string(guide), "id: PERF-2026-01-18-001", "id: OTHER", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.yaml")
	if err := os.WriteFile(broken, []byte("apiVersion: plumbline/v1\nkind: ReferenceRun\nrunn: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string // on standard error
	}{
		{"other numbers", []string{"--results", dir, "--sla", "../sla.yaml", "--numbers", other}, 0, ""},
		{"a file with a mistake", []string{"--results", dir, "--sla", "../sla.yaml", "--numbers", broken}, 2, "broken.yaml:3:1: runn: unknown key; did you mean run?"},
		{"no such file", []string{"--results", dir, "--sla", "../sla.yaml", "--numbers", "gone.yaml"}, 2, "gone.yaml"},
		{"a flag that there is not", []string{"--number", other}, 2, "-number"},
	} {
		var stderr bytes.Buffer
		if code := run(tt.args, &stderr); code != tt.code || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%s: got code %d and %q, want %d and %q", tt.name, code, stderr.String(), tt.code, tt.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "runs", "OTHER", "run.json")); err != nil {
		t.Error(err)
	}
}
