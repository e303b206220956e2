package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	common "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/dns"  // dns_sd_configs
	_ "github.com/prometheus/prometheus/discovery/file" // file_sd_configs
	_ "github.com/prometheus/prometheus/discovery/http" // http_sd_configs
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"gopkg.in/yaml.v3"
)

// A Target is one /metrics page that a Recorder scrapes.
type Target struct {
	Job      string
	URL      string           // of the page
	Instance string           // label of its series; "": the page's host and port
	Optional bool             // left out when it isn't usable soon
	TLS      common.TLSConfig // of a page behind https; zero: the system's authorities
}

// optionalPatience is how long an optional target may take to be usable, beyond the
// interval over which Prometheus spreads the first scrapes.
const optionalPatience = 2 * time.Second

// RecorderConfig says what is recorded, and how often.
type RecorderConfig struct {
	Targets       []Target
	ScrapeConfigs []*config.ScrapeConfig // further ones, in Prometheus' own form
	Interval      time.Duration
}

// A Recorder writes a live recording: Prometheus' scraper into Prometheus' storage.
type Recorder struct {
	dir      string
	cfg      RecorderConfig
	db       *tsdb.DB
	live     *DB
	births   *births
	discover *discovery.Manager
	scraper  *scrape.Manager
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Record starts a recording in a folder, which it makes. The error is ErrLive
// when another process records there.
func Record(dir string, cfg RecorderConfig) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("recording %s: %w", dir, err)
	}
	db, err := openTSDB(dir)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", dir, err)
	}
	r := &Recorder{dir: dir, cfg: cfg, db: db, live: New(db), births: newBirths(db)}
	if err := r.startScraping(); err != nil {
		return nil, errors.Join(fmt.Errorf("recording %s: %w", dir, err), r.Abandon())
	}
	return r, nil
}

// ParseScrapeConfigs reads a list of scrape configs as it stands in Prometheus' configuration.
func ParseScrapeConfigs(text []byte) ([]*config.ScrapeConfig, error) {
	indented := "\n " + strings.ReplaceAll(string(text), "\n", "\n ") // a list in brackets must not begin its line
	cfg, err := config.Load("scrape_configs:"+indented, discardLogger())
	if err != nil {
		return nil, errors.New(yamlLine.ReplaceAllStringFunc(err.Error(), lineAbove))
	}
	return cfg.GetScrapeConfigs()
}

var yamlLine = regexp.MustCompile(`\bline \d+`)

// lineAbove counts a line of a text in which another one stands before it.
func lineAbove(line string) string {
	n, err := strconv.Atoi(strings.TrimPrefix(line, "line "))
	if err != nil {
		return line
	}
	return fmt.Sprintf("line %d", n-1)
}

func (r *Recorder) startScraping() error {
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	cfg, err := r.scrapeConfig(r.cfg.Targets)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	sdMetrics, err := discovery.CreateAndRegisterSDMetrics(registry)
	if err != nil {
		return err
	}
	r.discover = discovery.NewManager(ctx, discardLogger(), registry, sdMetrics, discovery.Updatert(20*time.Millisecond))
	r.scraper, err = scrape.NewManager(&scrape.Options{
		AppendMetadata:           true, // the appender tells counters from gauges by it
		DiscoveryReloadInterval:  model.Duration(20 * time.Millisecond),
		DiscoveryReloadOnStartup: true,
		ScrapeOnShutdown:         true, // the closing scrape
	}, discardLogger(), nil, nil, r.births, registry)
	if err != nil {
		return err
	}
	if err := r.apply(cfg); err != nil {
		return err
	}
	r.running.Go(func() { _ = r.discover.Run() })                   //nolint:errcheck // ends with its context
	r.running.Go(func() { _ = r.scraper.Run(r.discover.SyncCh()) }) //nolint:errcheck // ends with Stop
	return nil
}

// apply makes a configuration the one that is scraped.
func (r *Recorder) apply(cfg *config.Config) error {
	jobs, err := cfg.GetScrapeConfigs()
	if err != nil {
		return err
	}
	discoverers := map[string]discovery.Configs{}
	for _, job := range jobs {
		discoverers[job.JobName] = job.ServiceDiscoveryConfigs
	}
	if err := r.scraper.ApplyConfig(cfg); err != nil {
		return err
	}
	return r.discover.ApplyConfig(discoverers)
}

// scrapeConfig is Prometheus' configuration for the targets and the further scrape configs.
func (r *Recorder) scrapeConfig(targets []Target) (*config.Config, error) {
	type static struct {
		Targets []string          `yaml:"targets"`
		Labels  map[string]string `yaml:"labels,omitempty"`
	}
	type job struct {
		Name    string              `yaml:"job_name"`
		Scheme  string              `yaml:"scheme"`
		Path    string              `yaml:"metrics_path"`
		Params  map[string][]string `yaml:"params,omitempty"`
		TLS     common.TLSConfig    `yaml:"tls_config"`
		Statics []static            `yaml:"static_configs"`
	}
	var jobs []job
	for _, t := range targets {
		u, err := url.Parse(t.URL)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Job, err)
		}
		statics := static{Targets: []string{u.Host}}
		if t.Instance != "" {
			statics.Labels = map[string]string{"instance": t.Instance}
		}
		jobs = append(jobs, job{t.Job, u.Scheme, u.Path, u.Query(), t.TLS, []static{statics}})
	}
	interval := model.Duration(r.cfg.Interval).String()
	text, err := yaml.Marshal(map[string]any{
		"global": map[string]any{
			"scrape_interval": interval, "scrape_timeout": interval,
			"scrape_native_histograms": true, "always_scrape_classic_histograms": true,
		},
		"scrape_configs": jobs,
	})
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(string(text), discardLogger())
	if err != nil {
		return nil, err
	}
	for _, sc := range r.cfg.ScrapeConfigs {
		if slices.ContainsFunc(cfg.ScrapeConfigs, func(other *config.ScrapeConfig) bool { return other.JobName == sc.JobName }) {
			return nil, fmt.Errorf("scrape_configs: the job_name %s is taken: give each job a name of its own, other than those of the generator (loadgen) and of the target", sc.JobName)
		}
		sc.ScrapeProtocols = config.DefaultProtoFirstScrapeProtocols // text has no native histograms
		sc.ScrapeInterval, sc.ScrapeTimeout = model.Duration(r.cfg.Interval), model.Duration(r.cfg.Interval)
		yes := true
		sc.ScrapeNativeHistograms, sc.AlwaysScrapeClassicHistograms = &yes, &yes
		cfg.ScrapeConfigs = append(cfg.ScrapeConfigs, sc)
	}
	return cfg, nil
}

// WaitFirstScrape waits until every target has been scraped once. An optional
// target that isn't usable soon is left out, with a warning; a required one
// that isn't usable before ctx ends is an error that says why.
func (r *Recorder) WaitFirstScrape(ctx context.Context) (warnings []string, err error) {
	patience := time.Now().Add(optionalPatience)
	givenUp := func(t Target, missing map[string]string) bool {
		after := patience
		if !r.refused(t.Job) {
			after = after.Add(r.cfg.Interval)
		}
		return t.Optional && missing[t.Job] != "" && time.Now().After(after)
	}
	targets := slices.Clone(r.cfg.Targets)
	for {
		missing := r.unscraped(targets)
		if len(missing) == 0 {
			return warnings, nil
		}
		before := len(targets)
		targets = slices.DeleteFunc(targets, func(t Target) bool {
			if givenUp(t, missing) {
				warnings = append(warnings, fmt.Sprintf("%s (%s) is left out of the recording: %s", t.Job, t.URL, missing[t.Job]))
				return true
			}
			return false
		})
		if len(targets) < before {
			cfg, err := r.scrapeConfig(targets)
			if err != nil {
				return warnings, err
			}
			if err := r.apply(cfg); err != nil {
				return warnings, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			var why []string
			for job, reason := range r.unscraped(targets) { // as it is now
				why = append(why, job+": "+reason)
			}
			if len(why) == 0 {
				return warnings, nil
			}
			slices.Sort(why)
			return warnings, fmt.Errorf("no scrape of %s", strings.Join(why, "; "))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// WaitScrape waits until every target has been scraped again, or did not answer
// that; false when ctx ended before.
func (r *Recorder) WaitScrape(ctx context.Context) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for now := time.Now().UnixMilli(); !r.allTriedAfter(now); {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// refused reports whether a target of a job can't be scraped; one that is slow may
// be another time.
func (r *Recorder) refused(job string) bool {
	return slices.ContainsFunc(r.scraper.TargetsActive()[job], func(t *scrape.Target) bool {
		err := t.LastError()
		return err != nil && !errors.Is(err, context.DeadlineExceeded)
	})
}

func (r *Recorder) allTriedAfter(ms int64) bool {
	for job, active := range r.scraper.TargetsActive() {
		for _, t := range active {
			if r.births.lastTry(job, t.GetValue(model.InstanceLabel)) <= ms {
				return false
			}
		}
	}
	return true
}

// unscraped tells, by job, why a target has not been scraped with success yet.
func (r *Recorder) unscraped(targets []Target) map[string]string {
	missing := map[string]string{}
	for _, t := range targets {
		missing[t.Job] = t.URL + " has not answered yet"
	}
	for _, sc := range r.cfg.ScrapeConfigs {
		missing[sc.JobName] = "no target of it is known yet"
	}
	for job, active := range r.scraper.TargetsActive() {
		if len(active) > 0 {
			delete(missing, job)
		}
		for _, t := range active {
			if up := r.births.scraped(job, t.GetValue(model.InstanceLabel)); !up {
				missing[job] = t.URL().String() + " has not answered yet"
				if err := t.LastError(); err != nil {
					missing[job] = err.Error()
				}
			}
		}
	}
	return missing
}

// DB answers queries about what has been recorded so far.
func (r *Recorder) DB() *DB { return r.live }

// Seal scrapes every target once more, stops, and leaves a folder of blocks.
func (r *Recorder) Seal() error {
	r.stopScraping()
	if err := seal(r.db, r.dir); err != nil {
		return fmt.Errorf("recording %s: %w", r.dir, err)
	}
	return nil
}

// Abandon stops without sealing; the next reader recovers what there is.
func (r *Recorder) Abandon() error {
	r.stopScraping()
	return r.db.Close()
}

func (r *Recorder) stopScraping() {
	if r.scraper != nil {
		r.scraper.Stop()
	}
	r.stop()
	r.running.Wait()
}

// births wraps the storage that a scraper writes into. A counter or histogram
// first seen at a target that was scraped before was 0 at that scrape: it is
// written so, since increase() can't see what a series gained before its first sample.
type births struct {
	db *tsdb.DB

	mu    sync.Mutex
	last  map[target]int64    // the last successful scrape, in ms
	tried map[target]int64    // the last scrape
	seen  map[uint64]struct{} // hashes of the series written so far
}

type target struct{ job, instance string }

func newBirths(db *tsdb.DB) *births {
	return &births{db: db, last: map[target]int64{}, tried: map[target]int64{}, seen: map[uint64]struct{}{}}
}

// scraped reports whether a target has been scraped with success.
func (b *births) scraped(job, instance string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last[target{job, instance}] > 0
}

// lastTry is the time of a target's last scrape, whether it succeeded or not, in ms.
func (b *births) lastTry(job, instance string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tried[target{job, instance}]
}

// AppenderV2 starts the samples of one scrape.
func (b *births) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &birthsAppender{AppenderV2: b.db.AppenderV2(ctx), births: b, ups: map[target]int64{}, tries: map[target]int64{}}
}

type birthsAppender struct {
	storage.AppenderV2
	births *births
	ups    map[target]int64 // targets that this scrape found up
	tries  map[target]int64 // and those that it tried
	fresh  []uint64
}

func (a *birthsAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions) (storage.SeriesRef, error) {
	if ref == 0 {
		if previous := a.bornAfter(ls, o.Metadata.Type, h != nil || fh != nil); previous > 0 && previous < t {
			a.appendZero(ls, previous, h, fh)
		}
	}
	if ls.Get(model.MetricNameLabel) == "up" && (v == 0 || v == 1) { // and no stale marker
		of := target{ls.Get("job"), ls.Get("instance")}
		a.tries[of] = t
		if v == 1 {
			a.ups[of] = t
		}
	}
	return a.AppenderV2.Append(ref, ls, st, t, v, h, fh, o)
}

// bornAfter is the time of the scrape at which a series just seen was still 0; 0 when it is not a birth.
func (a *birthsAppender) bornAfter(ls labels.Labels, kind model.MetricType, native bool) int64 {
	hash := ls.Hash()
	a.births.mu.Lock()
	defer a.births.mu.Unlock()
	if _, known := a.births.seen[hash]; known {
		return 0
	}
	a.fresh = append(a.fresh, hash)
	if kind != model.MetricTypeCounter && kind != model.MetricTypeHistogram && !native {
		return 0
	}
	return a.births.last[target{ls.Get("job"), ls.Get("instance")}]
}

// appendZero writes what a series was at the scrape before; a storage that can't take it any more does without.
func (a *birthsAppender) appendZero(ls labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) {
	if h != nil {
		h = &histogram.Histogram{Schema: h.Schema, ZeroThreshold: h.ZeroThreshold, CustomValues: h.CustomValues}
	}
	if fh != nil {
		fh = &histogram.FloatHistogram{Schema: fh.Schema, ZeroThreshold: fh.ZeroThreshold, CustomValues: fh.CustomValues}
	}
	_, _ = a.AppenderV2.Append(0, ls, 0, t, 0, h, fh, storage.AOptions{}) //nolint:errcheck // see above
}

func (a *birthsAppender) Commit() error {
	if err := a.AppenderV2.Commit(); err != nil {
		return err
	}
	a.births.mu.Lock()
	defer a.births.mu.Unlock()
	maps.Copy(a.births.last, a.ups)
	maps.Copy(a.births.tried, a.tries)
	for _, hash := range a.fresh {
		a.births.seen[hash] = struct{}{}
	}
	return nil
}
