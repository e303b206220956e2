package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// files are the flags that say what is run.
type files struct {
	config, profiles, profile string
}

func (f *files) flags(fs *pflag.FlagSet) {
	fs.StringVar(&f.config, "config", config.DefaultFile, "configuration `file`")
	fs.StringVar(&f.profiles, "profiles", "", "profiles `file` (default: the config's)")
	fs.StringVar(&f.profile, "profile", "", "`name` of a profile in it")
}

// load reads the scenario and, if one is named, the profile; all mistakes in both come at once.
func (f *files) load(scenario string, cfg config.Config) (loadgen.Scenario, *loadgen.Profile, error) {
	text, err := os.ReadFile(scenario)
	if err != nil {
		return loadgen.Scenario{}, nil, fmt.Errorf("scenario: %w", err)
	}
	s, err := loadgen.ParseScenario(scenario, text, filepath.Dir(scenario))
	if f.profiles == "" {
		f.profiles = cfg.Profiles
	}
	if f.profile == "" {
		return s, nil, err
	}
	p, profileErr := f.loadProfile()
	return s, p, errors.Join(err, profileErr)
}

func (f *files) loadProfile() (*loadgen.Profile, error) {
	if f.profiles == "" {
		return nil, errors.New("name the file that holds the profile with --profiles")
	}
	text, err := os.ReadFile(f.profiles)
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	all, err := loadgen.ParseProfiles(f.profiles, text)
	if err != nil {
		return nil, err
	}
	p, err := all.Get(f.profile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.profiles, err)
	}
	return &p, nil
}

func newValidateCommand() *cobra.Command {
	var f files
	var format string
	cmd := &cobra.Command{
		Use:   "validate SCENARIO",
		Short: "Check a scenario and a profile, and explain the load that they make",
		Long: `validate reads a scenario with its data, and a profile, names all mistakes in
them, and works out what load to expect: the tasks' shares, and the rate of
requests by Little's law. It warns when a profile can't reach the load that its
expected_load says, and when a kind of user may have no user at all.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			explanation, err := f.explain(args[0])
			if err != nil {
				return err
			}
			switch format {
			case "text":
				return explanation.Write(cmd.OutOrStdout())
			case "json":
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(explanation)
			}
			return fmt.Errorf("--format: want text or json, got %q", format)
		},
	}
	f.flags(cmd.Flags())
	cmd.Flags().StringVar(&format, "format", "text", "text or json; mistakes are told as text on standard error, with exit code 2")
	return cmd
}

func (f *files) explain(scenario string) (loadgen.Explanation, error) {
	cfg, err := config.Load(f.config)
	if err != nil {
		return loadgen.Explanation{}, err
	}
	s, p, err := f.load(scenario, cfg)
	if err != nil {
		return loadgen.Explanation{}, err
	}
	if p != nil {
		if err := loadgen.Fits(s, *p, loadgen.Segment{}); err != nil {
			return loadgen.Explanation{}, err
		}
	}
	return loadgen.Explain(s, p), nil
}
