package loadgen

import (
	"errors"
	"regexp"

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
	slot           int     // of the variable
}

const extractForms = "want a gjson path, or one of {path: P}, {header: NAME}, {cookie: NAME} and {regex: PATTERN}, with or without default: TEXT"

// UnmarshalYAML reads a path, or one of the forms in braces.
func (e *extraction) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		e.path = n.Value
		return nil
	}
	var form map[string]string
	if err := n.Decode(&form); err != nil {
		return errors.New(extractForms)
	}
	if text, has := form["default"]; has {
		e.standard = &text
		delete(form, "default")
	}
	if len(form) != 1 {
		return errors.New(extractForms)
	}
	e.path, e.Header, e.Cookie = form["path"], form["header"], form["cookie"]
	if pattern := form["regex"]; pattern != "" {
		var err error
		e.pattern, err = regexp.Compile(pattern)
		return err
	}
	if e.path+e.Header+e.Cookie == "" {
		return errors.New(extractForms)
	}
	return nil
}
