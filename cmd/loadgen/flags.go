package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// runFlags are the flags of loadgen run, in the groups in which --help lists them.
type runFlags struct {
	files
	loadFlags
	recordFlags
	transportFlags
	outputFlags

	given func(flag string) bool
}

func (f *runFlags) flags(fs *pflag.FlagSet) {
	fs.SortFlags = false
	f.given = fs.Changed
	f.files.flags(fs)
	f.loadFlags.flags(fs)
	f.recordFlags.flags(fs)
	f.transportFlags.flags(fs)
	f.outputFlags.flags(fs)
}

// loadFlags say what load is sent, beside the scenario and the profile.
type loadFlags struct {
	target   string
	wait     time.Duration
	seed     uint64
	scale    float64
	repeat   int
	abortOn  []string
	segment  string
	startAt  string
	instance string
	patience time.Duration
	grace    time.Duration
}

func (f *loadFlags) flags(fs *pflag.FlagSet) {
	fs.StringVar(&f.target, "target", "", "base `URL` that the load is sent to (default: the config's)")
	fs.DurationVar(&f.wait, "wait", 0, "how long the target may take until it listens, such as 30s")
	fs.Uint64Var(&f.seed, "seed", 1, "of all that happens by chance")
	fs.Float64Var(&f.scale, "duration-scale", 1, "make the profile this many times as long")
	fs.IntVar(&f.repeat, "repeat", 1, "do the run this many times, as one group for comparisons")
	fs.StringArrayVar(&f.abortOn, "abort-on", nil, "end the run early by a `rule` such as 'error_rate > 0.5 for 10s'; may be repeated")
	fs.StringVar(&f.segment, "segment", "", "send `i/n` of the load, the i-th share of n processes with the same --run; job/n in a Kubernetes Indexed Job")
	fs.StringVar(&f.startAt, "start-at", "", "`time` at which the load begins, such as 2026-01-18T14:00:00Z; the same for all segments")
	fs.DurationVar(&f.patience, "patience", loadgen.DefaultPatience, "how long requests may fail, without any answer, before the run ends; 0: without end")
	fs.DurationVar(&f.grace, "grace", loadgen.DefaultGrace, "how long requests in flight at the end may take before they are cut off; 0: they are cut off at once")
	fs.StringVar(&f.instance, "instance", "", "instance `label` of the generator's series (default: from scraping, else the host)")
}

// recordFlags say how the run is recorded, and under which names.
type recordFlags struct {
	results, id, service, sla, baseline string
	labels                              map[string]string
	listen                              string
	prometheus                          string
	scrape                              time.Duration
	remoteWrite                         string
	k6                                  bool
}

func (f *recordFlags) flags(fs *pflag.FlagSet) {
	fs.StringVar(&f.results, "results", "results", "`folder` of the results")
	fs.StringVar(&f.id, "run", "", "`id` of the run (default: PERF-<date>-<number>)")
	fs.StringVar(&f.service, "service", "", "`name` of the service, and job label of its series (default: the config's, else the SLA's)")
	fs.StringVar(&f.sla, "sla", "", "SLA `file` that the run is judged by (default: the config's)")
	fs.StringVar(&f.baseline, "baseline", "", "`name` of the baseline that the run is held against (default: the config's)")
	fs.StringToStringVar(&f.labels, "label", nil, "label of the run, such as version=v1.0.3; may be repeated")
	fs.StringVar(&f.listen, "listen", "", "`address` of the generator's own /metrics (default: a free port on loopback)")
	fs.StringVar(&f.prometheus, "prometheus", "", "base `URL` of the Prometheus that has the run's series, instead of a recording of its own; never from the environment")
	cli.OnCommandLine(fs, "prometheus") // in the environment it is the analyzer's, often with a password
	fs.DurationVar(&f.scrape, "scrape-interval", 0, "of the run's series (default: that of --prometheus; else 5s, 1s for runs under 5 minutes)")
	fs.StringVar(&f.remoteWrite, "remote-write", "", "`URL` that the generator's metrics are pushed to, such as http://127.0.0.1:9090/api/v1/write")
	fs.BoolVar(&f.k6, "k6-metrics", false, "show the results under k6's metric names as well")
}

// outputFlags say what the run tells, and where.
type outputFlags struct {
	summary, csv string
	slow         time.Duration
}

func (f *outputFlags) flags(fs *pflag.FlagSet) {
	fs.StringVar(&f.summary, "summary", "", "`file` for the summary as JSON; - for standard output")
	fs.StringVar(&f.csv, "csv", "", "write Locust's files `PREFIX`_stats.csv, _stats_history.csv, _failures.csv and _exceptions.csv")
	fs.DurationVar(&f.slow, "slow", 0, "tell of requests that take longer than this, such as 5s")
}
