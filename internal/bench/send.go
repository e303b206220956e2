package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
)

// newSendCommand sends load with the library, with or without being scraped:
// loadgen itself always records, so only this can tell what that costs.
func newSendCommand() *cobra.Command {
	var target, scenario string
	var scrape bool
	cmd := &cobra.Command{
		Use: "send", Short: "Send load for three seconds, and say how fast and at what cost", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rate, cpu, err := send(cmd.Context(), target, scenario, scrape)
			fmt.Fprintln(cmd.OutOrStdout(), rate, cpu)
			return err
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "base `URL`")
	cmd.Flags().StringVar(&scenario, "scenario", "", "`file`")
	cmd.Flags().BoolVar(&scrape, "scrape", false, "record the metrics each second")
	return cmd
}

// send gives the requests a second and the processor seconds of each.
func send(ctx context.Context, target, scenario string, scrape bool) (rate, cpu float64, err error) {
	u, err := url.Parse(target)
	if err != nil {
		return 0, 0, err
	}
	text, err := os.ReadFile(scenario)
	if err != nil {
		return 0, 0, err
	}
	s, err := loadgen.ParseScenario(scenario, text, filepath.Dir(scenario))
	if err != nil {
		return 0, 0, err
	}
	registry := prometheus.NewRegistry()
	g, err := loadgen.New(loadgen.Options{Scenario: s, Target: u, RunID: "bench", Registry: registry,
		Profile: loadgen.Profile{Stages: []loadgen.Stage{{From: 50, To: 50, Duration: 3 * time.Second, Scored: true}}}})
	if err != nil {
		return 0, 0, err
	}
	if scrape {
		stop, err := record(ctx, registry)
		if err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	from := processorTime()
	sum, err := g.Run(ctx, ctx)
	return sum.RequestsPerSecond, (processorTime() - from).Seconds() / float64(sum.Requests), err
}

// record serves the metrics and records them each second, as a run does.
func record(ctx context.Context, registry *prometheus.Registry) (stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	dir, err := os.MkdirTemp("", "bench-recording-")
	if err != nil {
		return nil, err
	}
	r, err := embedded.Record(dir, embedded.RecorderConfig{Interval: time.Second,
		Targets: []embedded.Target{{Job: "loadgen", URL: "http://" + l.Addr().String() + "/metrics"}}})
	if err != nil {
		return nil, err
	}
	if _, err := r.WaitFirstScrape(ctx); err != nil {
		return nil, err
	}
	return func() error { return errors.Join(r.Seal(), server.Close(), os.RemoveAll(dir)) }, nil
}
