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

// newSendCommand sends load with the library, and says what being scraped costs:
// loadgen itself always records, so only this can tell.
func newSendCommand() *cobra.Command {
	var target, scenario string
	var pairs int
	cmd := &cobra.Command{
		Use: "send", Short: "Send load, and say what share of the requests a scrape costs in its second", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lost, err := send(cmd.Context(), target, scenario, pairs)
			for _, share := range lost {
				fmt.Fprintln(cmd.OutOrStdout(), share)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "base `URL`")
	cmd.Flags().StringVar(&scenario, "scenario", "", "`file`")
	cmd.Flags().IntVar(&pairs, "pairs", 10, "`number` of seconds with a scrape, and of those without")
	return cmd
}

// send scrapes every other second, and gives for each of those what share of the
// requests of its two neighbours it lacks. Seconds so close together have the
// same machine.
func send(ctx context.Context, target, scenario string, pairs int) (lost []float64, err error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(scenario)
	if err != nil {
		return nil, err
	}
	s, err := loadgen.ParseScenario(scenario, text, filepath.Dir(scenario))
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	g, err := loadgen.New(loadgen.Options{Scenario: s, Target: u, RunID: "bench", Registry: registry,
		Profile: loadgen.Profile{Stages: []loadgen.Stage{{From: 50, To: 50, Duration: time.Hour, Scored: true}}}})
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	sent := make(chan error, 1)
	go func() {
		_, err := g.Run(ctx, ctx)
		sent <- err
	}()
	r, stop, err := record(ctx, registry, 2*time.Second)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if !r.WaitScrape(ctx) {
		return nil, ctx.Err()
	}
	seconds := counted(g, 2*pairs+1)
	end()
	for i := 1; i < len(seconds); i += 2 {
		lost = append(lost, 1-2*seconds[i]/(seconds[i-1]+seconds[i+1]))
	}
	return lost, <-sent
}

// counted are the requests of each of so many seconds; of those at odd places
// the middle is half a second, or any odd number of them, from now.
func counted(g *loadgen.Generator, n int) (requests []float64) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	time.Sleep(time.Second / 2)
	tick.Reset(time.Second)
	for last := int64(-1); len(requests) < n; <-tick.C {
		now := g.Snapshot().Total.Requests
		if last >= 0 {
			requests = append(requests, float64(now-last))
		}
		last = now
	}
	return requests
}

// record serves the metrics and records them, as a run does.
func record(ctx context.Context, registry *prometheus.Registry, interval time.Duration) (r *embedded.Recorder, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	dir, err := os.MkdirTemp("", "bench-recording-")
	if err != nil {
		return nil, nil, err
	}
	r, err = embedded.Record(dir, embedded.RecorderConfig{Interval: interval,
		Targets: []embedded.Target{{Job: "loadgen", URL: "http://" + l.Addr().String() + "/metrics"}}})
	if err != nil {
		return nil, nil, err
	}
	if _, err := r.WaitFirstScrape(ctx); err != nil {
		return nil, nil, err
	}
	return r, func() error { return errors.Join(r.Seal(), server.Close(), os.RemoveAll(dir)) }, nil
}
