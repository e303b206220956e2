package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/slo"
)

// spec puts the flags, the config and the files together.
func (f *runFlags) spec(scenario string) (testrun.Spec, error) {
	cfg, err := config.Load(f.config)
	if err != nil {
		return testrun.Spec{}, err
	}
	if f.profile == "" {
		return testrun.Spec{}, errors.New("name a profile with --profile, and its file with --profiles")
	}
	s, p, err := f.load(scenario, cfg)
	if err != nil {
		return testrun.Spec{}, err
	}
	scrapes, err := cfg.Scrapes()
	if err != nil {
		return testrun.Spec{}, err
	}
	spec := testrun.Spec{
		ID: f.id, Service: cmp.Or(f.service, cfg.Service), Scenario: s, Profile: *p,
		Labels: merge(cfg.Labels, f.labels), Environment: cfg.Environment, Baseline: cmp.Or(f.baseline, cfg.Baseline),
		Scrapes: scrapes, Wait: f.wait, Listen: f.listen, Seed: f.seed, Version: version,
		Prometheus: withCredentials(f.prometheus, os.Getenv("PLUMBLINE_PROMETHEUS"), cfg.Prometheus.URL), HTTP: *cfg.Prometheus.HTTP(), Scrape: f.scrape, Instance: f.instance, K6Metrics: f.k6,
	}
	return spec, errors.Join(f.addLoad(&spec, cfg), f.checkRecord(), f.addRemoteWrite(&spec, cfg), f.addSLA(&spec, cmp.Or(f.sla, cfg.SLA)))
}

// addLoad checks what says how much is sent, and where to.
func (f *runFlags) addLoad(spec *testrun.Spec, cfg config.Config) error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var err error
	if spec.Profile, err = spec.Profile.Scale(f.scale); err != nil {
		refuse("--duration-scale: %w", err)
	}
	if f.repeat < 1 {
		refuse("--repeat: must be at least 1, got %d", f.repeat)
	}
	if spec.Segment, err = parseSegment(f.segment); err != nil {
		refuse("--segment: %w", err)
	}
	if spec.Segment.Of > 1 && f.repeat > 1 {
		refuse("--repeat can't be combined with --segment: start each repetition with a --run and --start-at of its own")
	}
	if f.startAt != "" {
		if spec.StartAt, err = time.Parse(time.RFC3339, f.startAt); err != nil {
			refuse("--start-at: want a time such as %s, got %q", time.Now().UTC().Add(time.Minute).Format(time.RFC3339), f.startAt)
		}
	}
	if f.startAt != "" && f.repeat > 1 {
		refuse("--repeat can't be combined with --start-at: by the second run that time is over")
	}
	if f.patience < 0 {
		refuse("--patience: must not be negative, got %s", f.patience)
	}
	if f.grace < 0 {
		refuse("--grace: must not be negative, got %s", f.grace)
	}
	spec.Patience, spec.Grace = cmp.Or(f.patience, never), cmp.Or(f.grace, atOnce)
	for _, text := range f.abortOn {
		rule, err := loadgen.ParseAbortRule(text)
		if err != nil {
			refuse("--abort-on: %w", err)
		}
		spec.AbortOn = append(spec.AbortOn, rule)
	}
	text := cmp.Or(f.target, cfg.Target)
	target, err := url.Parse(text)
	if err != nil || target.Host == "" {
		target = &url.URL{Opaque: promql.Public(text)}
	}
	if err := loadgen.CheckTarget(target); err != nil {
		refuse("--target: %w", err)
		return errors.Join(errs...)
	}
	spec.Target = target
	if spec.Transport, err = f.transport(target); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// What 0 means for --patience and for --grace. To the generator it would mean the default.
const (
	never  = time.Duration(-1)
	atOnce = time.Nanosecond
)

// jobIndex is where Kubernetes gives the pods of an Indexed Job their numbers, from 0.
const jobIndex = "JOB_COMPLETION_INDEX"

// parseSegment reads i/n, or job/n for the pod's own in an Indexed Job.
func parseSegment(text string) (loadgen.Segment, error) {
	of, isJob := strings.CutPrefix(text, "job/")
	if !isJob {
		return loadgen.ParseSegment(text)
	}
	index, err := strconv.Atoi(os.Getenv(jobIndex))
	if err != nil {
		return loadgen.Segment{}, fmt.Errorf("job/%s is for a pod of an Indexed Job: %s is %q", of, jobIndex, os.Getenv(jobIndex))
	}
	return loadgen.ParseSegment(fmt.Sprintf("%d/%s", index+1, of))
}

// shortestScrape is the least time between two scrapes: more often, they would be a load of their own.
const shortestScrape = 100 * time.Millisecond

// checkRecord checks what says how the run is recorded and told of.
func (f *runFlags) checkRecord() error {
	var errs []error
	if value, unnamed := f.labels[""]; unnamed {
		errs = append(errs, fmt.Errorf("--label: want NAME=VALUE, got %q", "="+value))
	}
	if f.given("scrape-interval") && f.scrape < shortestScrape {
		errs = append(errs, fmt.Errorf("--scrape-interval: want at least %s, got %s", shortestScrape, f.scrape))
	}
	if f.given("slow") && f.slow <= 0 {
		errs = append(errs, fmt.Errorf("--slow: must be above 0, got %s", f.slow))
	}
	return errors.Join(errs...)
}

// withCredentials is a server's URL with the user and password of one that is known
// to be the same: the command line is no place for them.
func withCredentials(address string, known ...string) string {
	for _, k := range known {
		if address != "" && promql.Public(k) == address {
			return k
		}
	}
	return address
}

func (f *runFlags) addRemoteWrite(spec *testrun.Spec, cfg config.Config) error {
	if f.remoteWrite == "" {
		return nil
	}
	to, err := url.Parse(f.remoteWrite)
	if err != nil || to.Host == "" {
		return fmt.Errorf("--remote-write: want a URL such as http://127.0.0.1:9090/api/v1/write, got %q", promql.Public(f.remoteWrite))
	}
	spec.RemoteWrite = &testrun.RemoteWrite{URL: f.remoteWrite, HTTP: *cfg.Prometheus.HTTP()}
	return nil
}

// addSLA reads the SLA, which is kept with the run, and takes the service's name from it.
func (f *runFlags) addSLA(spec *testrun.Spec, path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("SLA: %w", err)
	}
	agreement, err := slo.Parse(path, text)
	if err != nil {
		return err
	}
	spec.SLA, spec.Service = text, cmp.Or(spec.Service, agreement.Service)
	return nil
}

func merge(a, b map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}
