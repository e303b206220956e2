package strictyaml

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// ReadPart gives a part of a file to a reader of another library, such as the one
// of Prometheus' own configuration, and gives the mistakes that it names by line
// their places in the whole file. Values in its messages are blotted out: such a
// part may hold passwords.
func ReadPart(part *yaml.Node, at Path, read func(text []byte) error) (ps Problems) {
	if part == nil || part.Kind == 0 {
		return nil
	}
	text, err := yaml.Marshal(part)
	if err != nil {
		ps.Addf(at, "%v", err)
		return ps
	}
	err = read(text)
	if err == nil {
		return nil
	}
	var copied yaml.Node
	if yaml.Unmarshal(text, &copied) != nil || len(copied.Content) == 0 {
		ps.Addf(at, "%s", blotted(err.Error()))
		return ps
	}
	places := map[int][]place{}
	pair(copied.Content[0], part, at, places)
	found := partLine.FindAllStringSubmatch(err.Error(), -1)
	for _, m := range found {
		line, _ := strconv.Atoi(m[1])
		p := place{part, at}
		if here := places[line]; len(here) > 0 {
			p = here[max(slices.IndexFunc(here, func(p place) bool { return p.isKey(m[2]) }), 0)]
		}
		ps = append(ps, Problem{p.path, p.node.Line, p.node.Column, blotted(m[2])})
	}
	if len(found) == 0 {
		ps.Addf(at, "%s", blotted(plainError(err)))
	}
	return ps
}

var (
	partLine = regexp.MustCompile(`line (\d+): ([^\n]*)`)
	quoted   = regexp.MustCompile("`[^`]*`")
	goType   = regexp.MustCompile(` into [\w.*\[\]]+$`)

	unknownKey = regexp.MustCompile(`^field (\S+) not found in type `)
)

// blotted is a message without the values that it quotes, and without names of Go types.
func blotted(message string) string {
	if m := unknownKey.FindStringSubmatch(message); m != nil {
		return "unknown key " + m[1]
	}
	message = quoted.ReplaceAllString(strings.TrimSpace(message), "the value")
	return goType.ReplaceAllString(message, "")
}

// A place is where a value stands, in the file and in its tree.
type place struct {
	node *yaml.Node
	path Path
}

// isKey reports whether a key that a message calls unknown stands here.
func (p place) isKey(message string) bool {
	m := unknownKey.FindStringSubmatch(message)
	return m != nil && p.node.Kind == yaml.ScalarNode && p.node.Value == m[1]
}

// pair notes what stands in each line of the copy of a part; a map stands where its first key does.
func pair(copied, original *yaml.Node, at Path, places map[int][]place) {
	if original.Kind == yaml.AliasNode && copied.Kind != yaml.AliasNode {
		original = original.Alias
	}
	if len(copied.Content) == 0 {
		places[copied.Line] = append(places[copied.Line], place{original, at})
	}
	for i := range min(len(copied.Content), len(original.Content)) {
		below := at
		switch copied.Kind {
		case yaml.MappingNode:
			below = at.Field(copied.Content[i-i%2].Value)
		case yaml.SequenceNode:
			below = at.Index(i)
		}
		pair(copied.Content[i], original.Content[i], below, places)
	}
}
