package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
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
