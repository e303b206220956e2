package layout

import (
	"fmt"
	"strings"
)

// A Line is what ARCHITECTURE.md says of a package.
type Line struct {
	Path, Sentence string
}

// heading is the section of ARCHITECTURE.md that lists the packages.
const heading = "Where things are"

// Lines reads the packages that ARCHITECTURE.md lists: under the heading
// "Where things are", lines of four spaces, paths that end in a slash, spaces
// and a sentence, which may go on in the next lines, further in. Folders
// without Go files are listed there too.
func Lines(markdown string) []Line {
	var lines []Line
	var last int // how many lines the sentence belongs to
	inside := false
	for text := range strings.Lines(markdown) {
		text = strings.TrimRight(text, "\r\n ")
		if strings.HasPrefix(text, "#") {
			inside = strings.TrimSpace(strings.TrimLeft(text, "#")) == heading
			continue
		}
		body, indented := strings.CutPrefix(text, "    ")
		if !inside || !indented {
			last = 0
			continue
		}
		if strings.HasPrefix(body, " ") {
			for i := len(lines) - last; i < len(lines); i++ {
				lines[i].Sentence += " " + strings.TrimSpace(body)
			}
			continue
		}
		paths, sentence := splitLine(body)
		for _, p := range paths {
			lines = append(lines, Line{Path: p, Sentence: sentence})
		}
		last = len(paths)
	}
	return lines
}

// splitLine takes "dashboards/ rules/   sentence" apart.
func splitLine(body string) (paths []string, sentence string) {
	words := strings.Fields(body)
	for len(words) > 0 {
		p, ok := strings.CutSuffix(words[0], "/")
		if !ok {
			break
		}
		paths, words = append(paths, p), words[1:]
	}
	return paths, strings.Join(words, " ")
}

// CheckLines holds the lines of ARCHITECTURE.md against the picture. Packages
// that are planned or only hold the tree together may be left out there;
// folders without Go files may be listed, where they exist.
func CheckLines(picture []Package, lines []Line, exists func(path string) bool) []string {
	var wrong []string
	listed := map[string]bool{}
	for _, l := range lines {
		listed[l.Path] = true
		p, ok := find(picture, l.Path)
		switch {
		case !ok && !exists(l.Path):
			wrong = append(wrong, fmt.Sprintf("ARCHITECTURE.md lists %s/, which is not in the tree", l.Path))
		case ok && p.Sentence != l.Sentence:
			wrong = append(wrong, fmt.Sprintf("ARCHITECTURE.md says of %s/ %q, internal/layout/layout.go %q", l.Path, l.Sentence, p.Sentence))
		}
	}
	for _, p := range picture {
		if !listed[p.Path] && !p.Planned && p.Row != Holding {
			wrong = append(wrong, fmt.Sprintf("ARCHITECTURE.md does not list %s/: add the line below under %q\n%s", p.Path, heading, p.line()))
		}
	}
	return wrong
}

// line is a package as ARCHITECTURE.md lists it.
func (p Package) line() string { return fmt.Sprintf("    %-29s %s", p.Path+"/", p.Sentence) }
