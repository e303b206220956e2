package loadgen

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// An extraction is where a variable's value stands in an answer: at a gjson
// path of its body, in a header field or cookie, or where a pattern matches (its
// last group, or all of it).
type extraction struct {
	Header, Cookie string
	path           string
	pattern        *regexp.Regexp
	standard       *string // what is taken when it isn't there
	name           string  // of the variable
	slot           int     // of it
}

// where is what the value stands in.
func (e *extraction) where() string {
	switch {
	case e.Header != "":
		return "header " + e.Header
	case e.Cookie != "":
		return "cookie " + e.Cookie
	case e.pattern != nil:
		return fmt.Sprintf("match of %q", e.pattern)
	}
	return "field " + e.path
}

const extractForms = "want a gjson path, or one of {path: P}, {header: NAME}, {cookie: NAME} and {regex: PATTERN}, with or without default: TEXT"

// UnmarshalYAML reads a path, or one of the forms in braces.
func (e *extraction) UnmarshalYAML(n *yaml.Node) (err error) {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		e.path, err = gjsonPath(n.Value)
		return err
	}
	var form map[string]string
	if err := n.Decode(&form); err != nil {
		return errors.New(extractForms)
	}
	if text, has := form["default"]; has {
		if text, err = verbatim(text); err != nil {
			return err
		}
		e.standard = &text
		delete(form, "default")
	}
	if len(form) != 1 {
		return errors.New(extractForms)
	}
	for key, text := range form {
		switch {
		case text == "":
			err = errors.New(extractForms)
		case key == "path":
			e.path, err = gjsonPath(text)
		case key == "header":
			e.Header, err = headerName(text)
		case key == "cookie":
			e.Cookie, err = verbatim(text)
		case key == "regex":
			if text, err = verbatim(text); err == nil {
				e.pattern, err = regexp.Compile(text)
			}
		default:
			err = errors.New(extractForms)
		}
	}
	return err
}

// gjsonPath is a path in an answer's body. One of JSONPath would never find anything.
func gjsonPath(text string) (string, error) {
	if text == "$" || strings.HasPrefix(text, "$.") || strings.HasPrefix(text, "$[") {
		if !plainJSONPath.MatchString(text) {
			return text, errors.New("gjson paths have no $. and other filters: see https://github.com/tidwall/gjson/blob/master/SYNTAX.md")
		}
		return text, fmt.Errorf("gjson paths have no $.: write %s", cmp.Or(strings.TrimLeft(fromJSONPath.Replace(text[1:]), "."), "@this"))
	}
	if plainJSONPath.MatchString("$."+text) && strings.Contains(text, "[") {
		return text, fmt.Errorf("gjson paths have no [ ]: write %s", strings.Trim(fromJSONPath.Replace(text), "."))
	}
	if open := unbalanced(text); open != "" {
		return text, fmt.Errorf("%s in %s is never closed", open, text)
	}
	return verbatim(text)
}

// unbalanced is a bracket of a gjson path that stays open: of a query, #(…), or
// of what begins the path and makes a list or object of several. "" when none does.
func unbalanced(path string) string {
	var open []string
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '\\':
			i++
		case len(open) > 0 && c == '"':
			if end := strings.IndexByte(path[i+1:], '"'); end >= 0 {
				i += 1 + end
			}
		case c == '(' && (len(open) > 0 || i > 0 && path[i-1] == '#'), (c == '[' || c == '{') && (len(open) > 0 || i == 0):
			open = append(open, path[i:i+1])
		case len(open) > 0 && open[len(open)-1] == map[byte]string{')': "(", ']': "[", '}': "{"}[c]:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return ""
	}
	return open[0]
}

// plainJSONPath has names, places and wildcards alone, whose words in gjson are known.
var plainJSONPath = regexp.MustCompile(`^\$(\.[\w-]+|\.\*|\[\d+\]|\[\*\]|\['[\w-]+'\]|\["[\w-]+"\])*\.?$`)

// fromJSONPath says in gjson's words what follows the $ of a JSONPath (RFC 9535).
var fromJSONPath = strings.NewReplacer("[*]", ".#", ".*", ".#", "['", ".", `["`, ".", "']", "", `"]`, "", "[", ".", "]", "")

func headerName(text string) (string, error) {
	text, err := verbatim(text)
	if err == nil && !isToken(text) {
		err = fmt.Errorf("%q can't be the name of a header", text)
	}
	return text, err
}
