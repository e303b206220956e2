package doctest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Usage is what a command line may name.
type Usage struct {
	// Help gives the text of `program words… --help`.
	Help func(program string, words ...string) (string, error)
	// Targets are those of the Makefile.
	Targets []string
}

// programs are those whose lines are checked.
var programs = []string{"analyzer", "loadgen"}

// Check says what a block names that there is not: a target, a command, a
// flag. Lines of other programs are not looked at.
func (u Usage) Check(b Block) error {
	for _, c := range b.Commands {
		for _, words := range simple(c.Text) {
			if err := u.check(words); err != nil {
				return fmt.Errorf("%s:%d: %s: %w", b.File, c.Line, strings.Join(words, " "), err)
			}
		}
	}
	return nil
}

func (u Usage) check(words []string) error {
	program := strings.TrimPrefix(strings.TrimPrefix(words[0], "./"), "bin/")
	switch {
	case program == "make":
		return u.checkMake(words[1:])
	case slices.Contains(programs, program):
		return u.checkProgram(program, words[1:])
	}
	return nil
}

func (u Usage) checkMake(words []string) error {
	for _, w := range words {
		if !strings.HasPrefix(w, "-") && !strings.Contains(w, "=") && !slices.Contains(u.Targets, w) {
			return fmt.Errorf("the Makefile has no target %q", w)
		}
	}
	return nil
}

// checkProgram walks down the commands as far as the words name any, then
// looks for each flag in the help of the last one.
func (u Usage) checkProgram(program string, words []string) error {
	var path []string
	help, err := u.Help(program)
	if err != nil {
		return err
	}
	rest := words
	for below := subcommands(help); len(below) > 0; below = subcommands(help) {
		i := slices.IndexFunc(rest, func(w string) bool { return slices.Contains(below, w) })
		if i < 0 {
			if j := slices.IndexFunc(rest, func(w string) bool { return !strings.HasPrefix(w, "-") }); j >= 0 {
				return fmt.Errorf("%s has no command %q", strings.Join(append([]string{program}, path...), " "), rest[j])
			}
			break
		}
		path, rest = append(path, rest[i]), rest[i+1:]
		if help, err = u.Help(program, path...); err != nil {
			return err
		}
	}
	known := append(flags(help), "--help", "-h", "--version", "-v")
	for _, w := range words {
		if w == "--" {
			break // what follows is another program's
		}
		name, _, _ := strings.Cut(w, "=")
		if len(name) > 1 && name[0] == '-' && !slices.Contains(known, name) {
			return fmt.Errorf("%s has no flag %s", strings.Join(append([]string{program}, path...), " "), name)
		}
	}
	return nil
}

var (
	section    = regexp.MustCompile(`(?m)^Available Commands:\n((?:  .*\n?)+)`)
	command    = regexp.MustCompile(`(?m)^  (\S+)`)
	flag       = regexp.MustCompile(`(?m)^ +(?:(-\w), )?(--[\w.-]+)`)
	target     = regexp.MustCompile(`(?m)^([\w-][\w./ -]*?) *:(?:[^=]|$)`)
	quoted     = regexp.MustCompile(`"[^"]*"|'[^']*'`)
	separator  = regexp.MustCompile(`\|\||&&|[;|&]`)
	assignment = regexp.MustCompile(`^\w+=`)
)

// subcommands are those that a help text lists; `help` and `completion` are
// cobra's own.
func subcommands(help string) []string {
	var names []string
	if s := section.FindStringSubmatch(help); s != nil {
		for _, m := range command.FindAllStringSubmatch(s[1], -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// flags are those that a help text lists.
func flags(help string) []string {
	var names []string
	for _, m := range flag.FindAllStringSubmatch(help, -1) {
		names = append(names, m[1:]...)
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}

// Targets reads the targets of a Makefile.
func Targets(makefile string) []string {
	var names []string
	for _, m := range target.FindAllStringSubmatch(makefile, -1) {
		names = append(names, strings.Fields(m[1])...)
	}
	return names
}

// simple takes a line apart into commands of a few words: comments, quoted
// text, redirections and assignments in front are of no interest here.
func simple(line string) [][]string {
	line = quoted.ReplaceAllString(line, "Q")
	if i := strings.Index(line, " #"); i >= 0 {
		line = line[:i]
	}
	var all [][]string
	for _, part := range separator.Split(line, -1) {
		words := strings.Fields(part)
		for len(words) > 0 && assignment.MatchString(words[0]) {
			words = words[1:]
		}
		if i := slices.IndexFunc(words, func(w string) bool { return strings.ContainsAny(w[:1], "<>") }); i >= 0 {
			words = words[:i]
		}
		if len(words) > 0 {
			all = append(all, words)
		}
	}
	return all
}

func isMake(text string) bool {
	parts := simple(text)
	return len(parts) > 0 && parts[0][0] == "make"
}
