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
