// Package cli is what the command lines of both programs share: exit codes,
// flags from the environment, errors.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// Exit codes follow grep and diff.
const (
	Yes          = 0 // pass or warn, or the command did its work
	No           = 1 // fail, or regressed
	Trouble      = 2 // bad usage, a bad file, a server that does not answer
	Inconclusive = 3
)

// An Exit ends a program with a code; a nil Err says nothing.
type Exit struct {
	Code int
	Err  error
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Exit) Unwrap() error { return e.Err }

// Interrupts are the signals that ask a program to end. A terminal that hangs up
// doesn't where that is ignored, as under nohup.
func Interrupts() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// Run runs a command and gives the exit code. Errors go to stderr, once.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, text := range mistyped(root, os.Environ()) {
			fmt.Fprintln(stderr, "warning:", text)
		}
		return fromEnvironment(cmd.Flags())
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see `%s --help`", inWords(err, func(flag string) string { return "--" + flag }), cmd.CommandPath())
	})
	nameMissing(root)
	err := root.ExecuteContext(ctx)
	var exit *Exit
	switch {
	case err == nil:
		return Yes
	case errors.As(err, &exit):
		if exit.Err != nil {
			fmt.Fprintf(stderr, "%s: %v\n", root.Name(), exit.Err)
		}
		return exit.Code
	}
	fmt.Fprintf(stderr, "%s: %v\n", root.Name(), err)
	return Trouble
}

// nameMissing has a command and those below it say which argument is missing, and
// show an example, where cobra would count.
func nameMissing(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		nameMissing(sub)
	}
	check, names := cmd.Args, argumentNames(cmd.Use)
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || len(args) == len(names) {
			return err
		}
		if len(args) > len(names) {
			return fmt.Errorf("%q is one argument too many; see `%s --help`", args[len(names)], cmd.CommandPath())
		}
		example, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
		if example == "" {
			example = cmd.UseLine()
		}
		return fmt.Errorf("%s is missing, as in `%s`; see `%s --help`", names[len(args)], strings.TrimSuffix(example, ` \`), cmd.CommandPath())
	}
}

// argumentNames are the arguments that a command can't do without: SCENARIO of "run SCENARIO [flags]".
func argumentNames(use string) (names []string) {
	for _, word := range strings.Fields(use)[1:] {
		if word[0] < 'A' || word[0] > 'Z' {
			break
		}
		names = append(names, strings.TrimSuffix(word, "…"))
	}
	return names
}

// wanted is what flags of a type want, where Go's parsers would tell of themselves.
var wanted = map[string]string{
	"bool": "true or false", "float64": "a number", "int": "a whole number", "uint64": "a whole number of 0 or more",
	"duration": "a time with its unit, such as 500ms, 30s or 5m", "stringToString": "NAME=VALUE",
}

// inWords says what a flag wants that has another value; other errors it leaves alone.
func inWords(err error, name func(flag string) string) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	f, text := invalid.GetFlag(), invalid.GetValue()
	want := wanted[f.Value.Type()]
	if want == "" {
		return fmt.Errorf("%s: %w", name(f.Name), invalid.Unwrap())
	}
	hint := ""
	if _, err := strconv.ParseFloat(text, 64); err == nil && f.Value.Type() == "duration" {
		hint = fmt.Sprintf(": for seconds write %ss", text)
	}
	return fmt.Errorf("%s: want %s, got %q%s", name(f.Name), want, text, hint)
}

const variables = "PLUMBLINE_"

// variable is what sets a flag in the environment.
func variable(flag string) string {
	return variables + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// onCommandLine marks flags that the environment doesn't set.
const onCommandLine = "plumbline_on_command_line"

// OnCommandLine keeps a flag from being set by the environment: what its variable
// holds is meant for other commands.
func OnCommandLine(flags *pflag.FlagSet, name string) {
	flags.Lookup(name).Annotations = map[string][]string{onCommandLine: nil}
}

// fromEnvironment sets each flag that was not given from PLUMBLINE_<FLAG>.
func fromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		text, set := os.LookupEnv(variable(f.Name))
		if _, here := f.Annotations[onCommandLine]; here || !set || f.Changed {
			return
		}
		if err := flags.Set(f.Name, text); err != nil {
			errs = append(errs, inWords(err, variable))
		}
	})
	return errors.Join(errs...)
}

// mistyped warns of variables that set nothing and look like one that would.
func mistyped(root *cobra.Command, environment []string) (warnings []string) {
	var known []string
	for _, flags := range allFlags(root) {
		flags.VisitAll(func(f *pflag.Flag) {
			known = append(known, variable(f.Name), variable(strings.TrimSuffix(f.Name, "-file"))) // for a secret, the second may hold it
		})
	}
	for _, text := range environment {
		name, _, _ := strings.Cut(text, "=")
		flag, ours := strings.CutPrefix(name, variables)
		if !ours || slices.Contains(known, name) {
			continue
		}
		var near []string
		for _, k := range known {
			if k = strings.TrimPrefix(k, variables); len(k) > 3 { // what is shorter is near to anything
				near = append(near, k)
			}
		}
		if meant := strictyaml.Nearest(flag, near); meant != "" {
			warnings = append(warnings, fmt.Sprintf("%s sets nothing; did you mean %s?", name, variables+meant))
		}
	}
	return warnings
}

// allFlags are those of a command and of all below it.
func allFlags(cmd *cobra.Command) []*pflag.FlagSet {
	all := []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()}
	for _, sub := range cmd.Commands() {
		all = append(all, allFlags(sub)...)
	}
	return all
}

// Terminal tells whether w is a terminal, and how wide.
func Terminal(w io.Writer) (width int, is bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return width, err == nil
}
