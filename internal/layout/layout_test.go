package layout_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/internal/layout"
)

const root = "../.."

func TestTreeKeepsToThePicture(t *testing.T) {
	tree, err := layout.Read(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree) < 10 {
		t.Fatalf("got %d packages, want the tree's: is %s its root?", len(tree), root)
	}
	for _, wrong := range layout.Check(layout.Packages, tree) {
		t.Error(wrong)
	}
}

func TestArchitectureListsThePicture(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no ARCHITECTURE.md")
	}
	if err != nil {
		t.Fatal(err)
	}
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	for _, wrong := range layout.CheckLines(layout.Packages, layout.Lines(string(text)), exists) {
		t.Error(wrong)
	}
}

// picture is a small one, for the tests of the test.
var picture = []layout.Package{
	{Path: "cmd/analyzer", Row: layout.Wiring},
	{Path: "internal/store", Row: layout.Programs},
	{Path: "internal/server", Row: layout.Programs, Arrows: []string{"internal/store"}},
	{Path: "pkg/slo", Row: layout.Judging},
	{Path: "pkg/compare", Row: layout.Judging},
	{Path: "pkg/run", Row: layout.Words},
	{Path: "rules", Row: layout.Files},
	{Path: "pkg/trend", Row: layout.Judging, Planned: true},
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	const ours = `"` + layout.Module + `/`
	for _, c := range []struct{ name, file, text, want string }{
		{"an import that goes down", "pkg/slo/slo.go", `import _ ` + ours + `pkg/run"`, ""},
		{"an import along an arrow", "internal/server/server.go", `import _ ` + ours + `internal/store"`, ""},
		{"an import against an arrow", "internal/store/store.go", `import _ ` + ours + `internal/server"`,
			`internal/store/store.go:2: imports "internal/server": both stand in row programs, whose packages don't import each other; internal/store may import rows files, words, asking, judging, result`},
		{"an import within a row", "pkg/slo/slo.go", `import _ ` + ours + `pkg/compare"`,
			`pkg/slo/slo.go:2: imports "pkg/compare": both stand in row judging, whose packages don't import each other; pkg/slo may import rows files, words, asking`},
		{"a test that brings a row together", "pkg/slo/slo_test.go", `import _ ` + ours + `pkg/compare"`, ""},
		{"a test beside its package", "pkg/slo/slo_test.go", `import _ ` + ours + `pkg/slo"`, ""},
		{"an import that goes up", "pkg/run/run.go", `import _ ` + ours + `pkg/slo"`,
			`pkg/run/run.go:2: imports "pkg/slo": it stands in row judging, above row words, and imports go down only; pkg/run may import rows files`},
		{"a test's import that goes up", "pkg/run/run_test.go", `import _ ` + ours + `pkg/slo"`,
			`pkg/run/run_test.go:2: imports "pkg/slo": it stands in row judging, above row words, and imports go down only; pkg/run may import rows files`},
		{"a file's import that goes up", "rules/rules.go", `import _ ` + ours + `pkg/slo"`,
			`rules/rules.go:2: imports "pkg/slo": it stands in row judging, above row files, and imports go down only; rules may import nothing of ours`},
		{"a file's test, which knows what it is generated from", "rules/rules_test.go", `import _ ` + ours + `pkg/slo"`, ""},
		{"internal in the library", "pkg/slo/slo.go", `import _ ` + ours + `internal/store"`,
			`pkg/slo/slo.go:2: imports "internal/store": pkg/ stands on its own and imports nothing of internal/`},
		{"internal in a test of the library", "pkg/slo/slo_test.go", `import _ ` + ours + `internal/store"`,
			`pkg/slo/slo_test.go:2: imports "internal/store": pkg/ stands on its own and imports nothing of internal/`},
		{"an import of nothing", "pkg/slo/slo.go", `import _ ` + ours + `pkg/gone"`,
			`pkg/slo/slo.go:2: imports "pkg/gone": it has no line in the picture`},
		{"a log in the library", "pkg/slo/slo.go", `import _ "log"`,
			`pkg/slo/slo.go:2: imports "log": pkg/ is a library: it logs nothing and has no flags; return an error, a warning or an option`},
		{"flags in the library", "pkg/slo/slo.go", `import _ "flag"`,
			`pkg/slo/slo.go:2: imports "flag": pkg/ is a library: it logs nothing and has no flags; return an error, a warning or an option`},
		{"flags in a test of the library", "pkg/slo/slo_test.go", `import _ "flag"`, ""},
		{"flags in a program", "cmd/analyzer/main.go", `import _ "flag"`, ""},
		{"an exit in the library", "pkg/slo/slo.go", "import \"os\"\nfunc f() { os.Exit(1) }",
			`pkg/slo/slo.go:3: os.Exit: only main ends the program; return an error`},
		{"an exit in internal", "internal/store/store.go", "import \"log\"\nfunc f() { log.Fatalf(``) }",
			`internal/store/store.go:3: log.Fatalf: only main ends the program; return an error`},
		{"an exit in main", "cmd/analyzer/main.go", "import \"os\"\nfunc main() { os.Exit(1) }", ""},
		{"an init function", "cmd/analyzer/main.go", "func init() {}",
			`cmd/analyzer/main.go:2: func init: who runs when? Make it a function that is called, or a table`},
		{"a method named init", "cmd/analyzer/main.go", "type T int\nfunc (T) init() {}", ""},
		{"a package without a line", "pkg/new/new.go", "",
			`pkg/new: has no line in the picture: give it one in internal/layout/layout.go and in ARCHITECTURE.md`},
		{"a planned package that is there", "pkg/trend/trend.go", "",
			`pkg/trend: is there now: take Planned off its line in internal/layout/layout.go`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := fstest.MapFS{}
			for _, p := range picture {
				if !p.Planned {
					tree[p.Path+"/doc.go"] = &fstest.MapFile{Data: []byte("package p\n")}
				}
			}
			tree[c.file] = &fstest.MapFile{Data: []byte("package p\n" + c.text)}
			folders, err := layout.Read(tree)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(layout.Check(picture, folders), "\n"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCheckMissesAPackage(t *testing.T) {
	got := layout.Check([]layout.Package{{Path: "pkg/slo"}, {Path: "pkg/trend", Planned: true}}, nil)
	want := []string{"pkg/slo: has a line in internal/layout/layout.go, and no Go files"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadPassesOverWhatGoDoes(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("package p\n")}
	folders, err := layout.Read(fstest.MapFS{
		"a/a.go": file, "a/testdata/x.go": file, ".bin/x.go": file, "_old/x.go": file,
		"tools/go.mod": {Data: []byte("module tools\n")}, "tools/x.go": file, "docs/x.md": {},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []layout.Folder{{Path: "a"}}
	if diff := cmp.Diff(want, folders); diff != "" {
		t.Error(diff)
	}
}

const architecture = `# Architecture

    not/here/              a block elsewhere

## Where things are

    cmd/analyzer/          one file per command: demo report
                           runs
    dashboards/ rules/     embedded
    deploy/kubernetes/     manifests

Prose.

## Why

    nor/here/              another
`

func TestLines(t *testing.T) {
	want := []layout.Line{
		{Path: "cmd/analyzer", Sentence: "one file per command: demo report runs"},
		{Path: "dashboards", Sentence: "embedded"},
		{Path: "rules", Sentence: "embedded"},
		{Path: "deploy/kubernetes", Sentence: "manifests"},
	}
	if diff := cmp.Diff(want, layout.Lines(architecture)); diff != "" {
		t.Error(diff)
	}
}

func TestCheckLines(t *testing.T) {
	got := layout.CheckLines([]layout.Package{
		{Path: "cmd/analyzer", Sentence: "all commands"},
		{Path: "dashboards", Sentence: "embedded", Planned: true},
		{Path: "pkg/run", Sentence: "Run"},
		{Path: "pkg/trend", Sentence: "Trend", Planned: true},
		{Path: "internal/layout", Sentence: "a test", Row: layout.Holding},
	}, layout.Lines(architecture), func(path string) bool { return path == "deploy/kubernetes" })
	want := []string{
		`ARCHITECTURE.md says of cmd/analyzer/ "one file per command: demo report runs", internal/layout/layout.go "all commands"`,
		`ARCHITECTURE.md lists rules/, which is not in the tree`,
		"ARCHITECTURE.md does not list pkg/run/: add the line below under \"Where things are\"\n    pkg/run/                      Run",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
