package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestWhatIsMissingIsNamed(t *testing.T) {
	for _, tt := range []struct{ use, example, args, want string }{
		{"run SCENARIO", "  main run s.yaml --profile p \\\n    --more\n  main run other.yaml", "", "SCENARIO is missing, as in `main run s.yaml --profile p`; see `main run --help`"},
		{"run FROM TO [--fast]", "", "a", "TO is missing, as in `main run FROM TO [--fast] [flags]`; see `main run --help`"},
		{"run FROM TO [--fast]", "", "a b c", "\"c\" is one argument too many; see `main run --help`"},
		{"run FILE…", "", "", "FILE is missing, as in `main run FILE… [flags]`; see `main run --help`"},
		{"run [FILE…]", "", "", "requires at least 1 arg(s), only received 0"},
	} {
		check := cobra.ExactArgs(len(argumentNames(tt.use)))
		if strings.Contains(tt.use, "…") {
			check = cobra.MinimumNArgs(1)
		}
		root := &cobra.Command{Use: "main"}
		root.AddCommand(&cobra.Command{Use: tt.use, Example: tt.example, Args: check, Run: func(*cobra.Command, []string) {}})
		var stderr strings.Builder
		code := Run(t.Context(), root, append([]string{"run"}, strings.Fields(tt.args)...), nil, &stderr)
		if want := "main: " + tt.want + "\n"; code != Trouble || stderr.String() != want {
			t.Errorf("%s with %q: got exit code %d, %s, want %s", tt.use, tt.args, code, stderr.String(), want)
		}
	}
}

func program(flags func(*pflag.FlagSet)) *cobra.Command {
	root := &cobra.Command{Use: "main"}
	sub := &cobra.Command{Use: "run", Run: func(*cobra.Command, []string) {}}
	flags(sub.Flags())
	root.AddCommand(sub)
	return root
}

// A flag says what it wants in its own words, on the command line as in the environment.
func TestFlagsSayWhatTheyWant(t *testing.T) {
	for _, tt := range []struct{ flag, value, want string }{
		{"seed", "-1", `want a whole number of 0 or more, got "-1"`},
		{"wait", "5", `want a time with its unit, such as 500ms, 30s or 5m, got "5": for seconds write 5s`},
		{"wait", "soon", `want a time with its unit, such as 500ms, 30s or 5m, got "soon"`},
		{"repeat", "two", `want a whole number, got "two"`},
		{"scale", "x", `want a number, got "x"`},
		{"insecure", "maybe", `want true or false, got "maybe"`},
		{"label", "v1", `want NAME=VALUE, got "v1"`},
	} {
		flags := func(fs *pflag.FlagSet) {
			fs.Uint64("seed", 1, "")
			fs.Duration("wait", 0, "")
			fs.Int("repeat", 1, "")
			fs.Float64("scale", 1, "")
			fs.Bool("insecure", false, "")
			fs.StringToString("label", nil, "")
		}
		var stderr strings.Builder
		code := Run(t.Context(), program(flags), []string{"run", "--" + tt.flag + "=" + tt.value}, nil, &stderr)
		if want := "main: --" + tt.flag + ": " + tt.want + "; see `main run --help`\n"; code != Trouble || stderr.String() != want {
			t.Errorf("got exit code %d, %s, want %s", code, stderr.String(), want)
		}
		t.Run("environment", func(t *testing.T) {
			t.Setenv(variable(tt.flag), tt.value)
			stderr.Reset()
			code := Run(t.Context(), program(flags), []string{"run"}, nil, &stderr)
			if want := "main: " + variable(tt.flag) + ": " + tt.want + "\n"; code != Trouble || stderr.String() != want {
				t.Errorf("got exit code %d, %s, want %s", code, stderr.String(), want)
			}
		})
	}
}

func TestTheEnvironmentSetsFlags(t *testing.T) {
	t.Setenv("PLUMBLINE_TARGET", "a")
	t.Setenv("PLUMBLINE_PROMETHEUS", "b")
	var target, prometheus string
	root := program(func(fs *pflag.FlagSet) {
		fs.StringVar(&target, "target", "", "")
		fs.StringVar(&prometheus, "prometheus", "", "")
		OnCommandLine(fs, "prometheus")
	})
	if code := Run(t.Context(), root, []string{"run"}, nil, io.Discard); code != Yes || target != "a" || prometheus != "" {
		t.Errorf("got exit code %d, target %q and prometheus %q, want the target alone", code, target, prometheus)
	}
}

func TestMistypedVariables(t *testing.T) {
	root := program(func(fs *pflag.FlagSet) {
		fs.String("target", "", "")
		fs.String("run", "", "")
		fs.String("password-file", "", "")
	})
	environment := []string{"PATH=/bin", "PLUMBLINE_TARGET=x", "PLUMBLINE_TARGETT=x", "PLUMBLINE_STORE=x", "PLUMBLINE_RUM=x", "PLUMBLINE_PASSWORD=x"}
	if diff := cmp.Diff([]string{"PLUMBLINE_TARGETT sets nothing; did you mean PLUMBLINE_TARGET?"}, mistyped(root, environment)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
