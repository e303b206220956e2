package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/grafana"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
)

// grafanaFlags say which Grafana is meant and how it is spoken to.
type grafanaFlags struct {
	url, tokenFile, user, passwordFile, reports string
	org                                         int64
}

// Secrets come from the environment or from files, never from the command line.
const (
	tokenVariable    = "PLUMBLINE_GRAFANA_TOKEN"    //nolint:gosec // the name of a variable, no secret
	passwordVariable = "PLUMBLINE_GRAFANA_PASSWORD" //nolint:gosec // the name of a variable, no secret
)

func (f *grafanaFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.url, "grafana", "", "`URL` of Grafana (default: the configuration's)")
	fs.StringVar(&f.tokenFile, "grafana-token-file", "", "`file` with a service account's token (or "+tokenVariable+")")
	fs.StringVar(&f.user, "grafana-user", "", "`user` for basic auth")
	fs.StringVar(&f.passwordFile, "grafana-password-file", "", "`file` with the user's password (or "+passwordVariable+")")
	fs.Int64Var(&f.org, "org-id", 0, "`id` of the organisation, for basic auth (default: the user's own)")
	fs.StringVar(&f.reports, "reports", "", "`URL` under which runs/ID/report.html is served, for links to reports")
}

// at is the URL of Grafana; "" when there is none.
func (f *grafanaFlags) at(cfg config.Config) string { return cmp.Or(f.url, cfg.Grafana.URL) }

// dial finds the Grafana that the flags or the configuration name.
func (f *grafanaFlags) dial(ctx context.Context, cfg config.Config) (*grafana.Client, error) {
	url := f.at(cfg)
	if url == "" {
		return nil, errors.New("name Grafana with --grafana URL, or as grafana: {url: …} in " + config.DefaultFile)
	}
	http, err := f.http(cfg)
	if err != nil {
		return nil, fmt.Errorf("grafana: %w", err)
	}
	return grafana.Dial(ctx, grafana.Options{URL: url, HTTP: http, OrgID: f.org})
}

// http is the configuration's, with the credentials that were given here.
func (f *grafanaFlags) http(cfg config.Config) (promconfig.HTTPClientConfig, error) {
	http := *cfg.Grafana.HTTP()
	token, err := secret(f.tokenFile, tokenVariable)
	if err != nil {
		return http, err
	}
	switch {
	case token != "" && f.user != "":
		return http, errors.New("give a token or a user, not both")
	case token != "":
		http.BasicAuth, http.Authorization = nil, &promconfig.Authorization{Type: "Bearer", Credentials: token}
	case f.user != "":
		password, err := secret(f.passwordFile, passwordVariable)
		if err != nil {
			return http, err
		}
		if password == "" {
			return http, fmt.Errorf("give the password of user %s with --grafana-password-file or in %s", f.user, passwordVariable)
		}
		http.Authorization, http.BasicAuth = nil, &promconfig.BasicAuth{Username: f.user, Password: password}
	}
	return http, nil
}

// secret reads a secret from a file, else from the environment; "" for none.
func secret(file, variable string) (promconfig.Secret, error) {
	if file == "" {
		return promconfig.Secret(os.Getenv(variable)), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	word := strings.TrimSpace(string(text))
	if word == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return promconfig.Secret(word), nil
}

// annotate marks a reported run, and says where it is shown.
func (f *grafanaFlags) annotate(client *grafana.Client, r report.Report, dryRun bool) (grafana.Step, error) {
	step, err := client.Annotate(f.annotation(r), dryRun)
	step.URL = r.Dashboard
	return step, err
}

// runBoard is the dashboard that a run is shown on.
const runBoard = "plumbline-performance-baseline"

// shows tells where Grafana shows a run; nil when there is no Grafana.
func (f *grafanaFlags) shows(cfg config.Config) func(run.Run) string {
	url := promql.Public(f.at(cfg))
	if url == "" {
		return nil
	}
	return func(r run.Run) string { return grafana.RunURL(url, runBoard, r.ID, r.Window) }
}

// annotation is what marks a run.
func (f *grafanaFlags) annotation(r report.Report) grafana.Annotation {
	verdict := fmt.Sprint(r.Verdict)
	text := fmt.Sprintf("Run %s: %s. %s", r.Run.ID, verdict, r.Headline)
	if f.reports != "" {
		text += fmt.Sprintf(` <a href="%s/runs/%s/report.html">Report</a>`, strings.TrimSuffix(f.reports, "/"), r.Run.ID)
	}
	return grafana.Annotation{Run: r.Run.ID, Window: r.Run.Window, Verdict: verdict, Text: text}
}

// showSteps says what was done, or would be.
func showSteps(w io.Writer, steps []grafana.Step, dryRun bool) {
	kept := false
	for _, s := range steps {
		did := string(s.Did)
		if dryRun && (s.Did == grafana.Created || s.Did == grafana.Updated) {
			did = "would be " + did
		}
		line := s.What + ": " + did
		if s.Did == grafana.Kept {
			line, kept = line+", since a person changed it", true
		}
		if s.URL != "" {
			line += "  " + s.URL
		}
		fmt.Fprintln(w, line)
		if dryRun || s.Did == grafana.Kept {
			for _, d := range s.Differences {
				fmt.Fprintln(w, "    "+d)
			}
		}
	}
	if kept {
		fmt.Fprintln(w, "--force overwrites what was kept.")
	}
}
