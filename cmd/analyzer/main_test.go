package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"analyzer": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"prometheus": scriptPrometheus(t),
		},
	})
}

// TestOneDemoAtATime starts a second demo while the first one runs.
func TestOneDemoAtATime(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // where the lock is
	release, err := lockDemo()
	if err != nil {
		t.Fatal(err)
	}
	var out, trouble strings.Builder
	if code := execute(t.Context(), []string{"demo", "--results", t.TempDir()}, &out, &trouble); code != 2 {
		t.Errorf("second demo: got exit code %d, want 2", code)
	}
	if want := fmt.Sprintf("another demo runs on this machine (pid %d)", os.Getpid()); !strings.Contains(trouble.String(), want) {
		t.Errorf("second demo: got %q, want %q in it", trouble.String(), want)
	}
	release()
	release, err = lockDemo()
	if err != nil {
		t.Fatalf("after the first demo has ended: %v", err)
	}
	release()
}
