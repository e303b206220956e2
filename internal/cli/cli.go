// Package cli is what the command lines of both programs share: exit codes,
// flags from the environment, errors.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
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

// Run runs a command and gives the exit code. Errors go to stderr, once.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
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

// fromEnvironment sets each flag that was not given from PLUMBLINE_<FLAG>.
func fromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "PLUMBLINE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if text, set := os.LookupEnv(name); set && !f.Changed {
			if err := flags.Set(f.Name, text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	return errors.Join(errs...)
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
