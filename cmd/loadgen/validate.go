package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// files are the flags that say what is run.
type files struct {
	config, profiles, profile string
}

func (f *files) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.config, "config", config.DefaultFile, "configuration `file`")
	cmd.Flags().StringVar(&f.profiles, "profiles", "", "profiles `file` (default: the config's)")
	cmd.Flags().StringVar(&f.profile, "profile", "", "`name` of a profile in it")
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
	if f.profiles == "" && f.profile == "" {
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
	cmd := &cobra.Command{
		Use:   "validate SCENARIO",
		Short: "Check a scenario and a profile, and explain the load that they make",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(f.config)
			if err != nil {
				return err
			}
			s, p, err := f.load(args[0], cfg)
			if err != nil {
				return err
			}
			if p == nil {
				p = &loadgen.Profile{}
			}
			return loadgen.Explain(s, *p).Write(cmd.OutOrStdout())
		},
	}
	f.flags(cmd)
	return cmd
}
