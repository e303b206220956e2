// Package layout holds the house to its picture: which package may import which.
// The picture, and why it is so, stands in ARCHITECTURE.md.
package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/plumbline/plumbline/"
)

// rows are the packages from the bottom up. A package may import those of lower
// rows, and of its own row only along an arrow.
var rows = [][]string{
	{"pkg/run", "pkg/stats", "pkg/strictyaml", "examples"},
	{"pkg/promql", "pkg/promql/embedded", "pkg/promql/querytest", "pkg/loadgen"},
	{"pkg/slo", "pkg/compare"},
	{"pkg/report"},
	{"internal/cli", "internal/config", "internal/store", "internal/testrun", "internal/analysis", "internal/paracle", "internal/layout"},
	{"cmd/analyzer", "cmd/loadgen", "internal/paracle/cmd/paracle"},
}

// arrows are the imports inside a row.
var arrows = map[string][]string{
	"pkg/promql/embedded":  {"pkg/promql"},
	"pkg/promql/querytest": {"pkg/promql"},
	"internal/testrun":     {"internal/store"},
	"internal/analysis":    {"internal/store"},
}

// wrong says what is wrong with an import; "" when it keeps to the picture.
func wrong(from, to string) string {
	a, b := row(from), row(to)
	switch {
	case a < 0:
		return fmt.Sprintf("%s has no place in the picture: give it one in internal/layout and ARCHITECTURE.md", from)
	case b < 0:
		return fmt.Sprintf("%s imports %s, which has no place in the picture", from, to)
	case strings.HasPrefix(from, "pkg/") && strings.HasPrefix(to, "internal/"):
		return fmt.Sprintf("%s is a library and imports %s of our own programs", from, to)
	case b > a, b == a && !slices.Contains(arrows[from], to):
		return fmt.Sprintf("%s imports %s: imports go down only, or along an arrow; its arrows are %v", from, to, arrows[from])
	}
	return ""
}

func row(pkg string) int {
	return slices.IndexFunc(rows, func(r []string) bool { return slices.Contains(r, pkg) })
}

// goFiles gives the parsed Go files of the house, tests left out, by package.
func goFiles(t *testing.T) map[string][]*ast.File {
	t.Helper()
	files := map[string][]*ast.File{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "testdata" || d.Name() == "tools" || d.Name() == "zz") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		files[filepath.ToSlash(pkg)] = append(files[filepath.ToSlash(pkg)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestImportsKeepToThePicture(t *testing.T) {
	for pkg, files := range goFiles(t) {
		for _, f := range files {
			for _, imp := range f.Imports {
				to, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module)
				if !ours {
					continue
				}
				if w := wrong(pkg, to); w != "" {
					t.Error(w)
				}
			}
		}
	}
}

func TestWrongImportsAreFound(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"pkg/slo", "pkg/promql", ""},
		{"pkg/promql/embedded", "pkg/promql", ""},
		{"pkg/slo", "pkg/compare", "imports go down only"},
		{"pkg/run", "pkg/slo", "imports go down only"},
		{"pkg/slo", "internal/store", "is a library"},
		{"pkg/new", "pkg/run", "has no place"},
		{"pkg/slo", "pkg/new", "has no place"},
	} {
		got := wrong(c.from, c.to)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s → %s: got %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

func TestOnlyMainLeavesAndNothingRunsByItself(t *testing.T) {
	for pkg, files := range goFiles(t) {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && x.Name == "os" && sel.Sel.Name == "Exit" && f.Name.Name != "main" {
						t.Errorf("%s calls os.Exit; only main may", pkg)
					}
				}
				if fn, ok := n.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
					t.Errorf("%s has an init function", pkg)
				}
				return true
			})
		}
	}
}

var packageLine = regexp.MustCompile(`(?m)^    ((?:cmd|pkg|internal|examples)[\w/]*)/ +\S`)

func TestArchitectureShowsEveryPackage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, m := range packageLine.FindAllStringSubmatch(string(text), -1) {
		shown = append(shown, m[1])
	}
	for pkg := range goFiles(t) {
		if !slices.Contains(shown, pkg) {
			t.Errorf("ARCHITECTURE.md has no line for %s/", pkg)
		}
	}
	for _, pkg := range shown {
		if _, err := os.Stat(filepath.Join(root, pkg)); err != nil {
			t.Errorf("ARCHITECTURE.md shows %s/, which isn't there", pkg)
		}
	}
}
