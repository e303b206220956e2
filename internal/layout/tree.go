package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Folder is a package as it stands in the tree: all Go files of a folder,
// those of other systems and tests too.
type Folder struct {
	Path    string // from the root
	Imports []Import
	Calls   []Call
}

// An Import is one import declaration.
type Import struct {
	At   string // file:line
	Path string
	Test bool // of a _test.go file
}

// A Call is something that packages may not do everywhere: os.Exit and what
// ends in it, or an init function. Those of tests are left out.
type Call struct {
	At, Name string
}

// exits are the calls that end the program.
var exits = []string{"os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln", "syscall.Exit"}

// Read reads the packages of a tree, sorted by path. Folders that Go passes
// over (testdata, those that begin with . or _, other modules) are left out.
func Read(tree fs.FS) ([]Folder, error) {
	var folders []Folder
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case passedOver(tree, name):
			return fs.SkipDir
		}
		f, err := readFolder(tree, name)
		if err == nil && f.Path != "" {
			folders = append(folders, f)
		}
		return err
	})
	return folders, err
}

func passedOver(tree fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return err == nil
}

// readFolder gives the zero Folder where there are no Go files.
func readFolder(tree fs.FS, dir string) (Folder, error) {
	names, err := fs.Glob(tree, path.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		return Folder{}, err
	}
	slices.Sort(names)
	f := Folder{Path: dir}
	for _, name := range names {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return Folder{}, err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		if err != nil {
			return Folder{}, err
		}
		test := strings.HasSuffix(name, "_test.go")
		if f.Imports, err = appendImports(f.Imports, set, file, test); err != nil {
			return Folder{}, err
		}
		if !test {
			f.Calls = appendCalls(f.Calls, set, file)
		}
	}
	return f, nil
}

func appendImports(imports []Import, set *token.FileSet, file *ast.File, test bool) ([]Import, error) {
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", place(set, spec.Pos()), spec.Path.Value, err)
		}
		imports = append(imports, Import{At: place(set, spec.Pos()), Path: name, Test: test})
	}
	return imports, nil
}

func appendCalls(calls []Call, set *token.FileSet, file *ast.File) []Call {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				calls = append(calls, Call{At: place(set, n.Pos()), Name: "func init"})
			}
		case *ast.SelectorExpr:
			if of, ok := n.X.(*ast.Ident); ok && slices.Contains(exits, of.Name+"."+n.Sel.Name) {
				calls = append(calls, Call{At: place(set, n.Pos()), Name: of.Name + "." + n.Sel.Name})
			}
		}
		return true
	})
	return calls
}

func place(set *token.FileSet, pos token.Pos) string {
	p := set.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}
