package testrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

// scrapePatience is how long a Prometheus may take to tell its scrape interval.
const scrapePatience = 10 * time.Second

// adoptScrape takes over the interval at which the Prometheus that has the run's
// series scrapes its targets. Of one that scrapes none, or can't tell, it is not
// known: what is pushed to it comes at this process' own. One that doesn't answer
// is an error, before anything is sent.
func (t *testRun) adoptScrape(ctx context.Context) error {
	if t.spec.Prometheus == "" {
		return nil
	}
	client, err := promql.NewClient(t.spec.Prometheus, t.spec.HTTP)
	if err != nil {
		return fmt.Errorf("%w; name another with --prometheus", err)
	}
	client.Timeout = scrapePatience
	scrape, err := promql.ScrapeInterval(ctx, client, time.Now())
	switch {
	case err != nil && !errors.Is(err, promql.ErrBadQuery):
		return fmt.Errorf("%w; name another with --prometheus", cmp.Or(errors.Unwrap(err), err)) // without the query, which is none of the user's
	case t.spec.Scrape > 0:
	case scrape > 0:
		t.run.Source.ScrapeSeconds = scrape.Seconds()
	case err != nil:
		t.warn(fmt.Sprintf("the scrape interval is taken to be %s, name it with --scrape-interval if it is another: %v", t.run.Source.Scrape(), err))
	}
	return nil
}

// startPushing pushes for the first time, so that a wrong address is told before the load.
func (t *testRun) startPushing(ctx context.Context, registry *prometheus.Registry) error {
	if t.spec.RemoteWrite == nil {
		return nil
	}
	push, err := newPusher(*t.spec.RemoteWrite, t.instance(), registry, t.warn)
	if err != nil {
		return err
	}
	if err := push.push(ctx); err != nil {
		return err
	}
	push.start(t.run.Source.Scrape())
	t.push = push
	return nil
}

// instance tells this generator from others where nothing is scraped.
func (t *testRun) instance() string {
	if t.spec.Instance != "" {
		return t.spec.Instance
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s:%d", host, t.spec.Segment.Number())
}

func (t *testRun) startRecording(ctx context.Context) (err error) {
	t.recorder, err = embedded.Record(t.store.Recording(t.run.ID), embedded.RecorderConfig{
		Targets: []embedded.Target{{Job: "loadgen", URL: t.page.url, Instance: t.spec.Instance},
			{Job: t.targetJob(), URL: t.spec.Target.JoinPath("metrics").String(), Optional: true, TLS: t.spec.Transport.ScrapeTLS}},
		ScrapeConfigs: t.spec.Scrapes,
		Interval:      t.run.Source.Scrape(),
	})
	if err != nil {
		return err
	}
	t.page.live.open(embedded.Handler(t.recorder.DB()))
	t.run.Source.Live = t.page.base
	ctx, cancel := context.WithTimeout(ctx, t.firstPatience())
	defer cancel()
	warnings, err := t.recorder.WaitFirstScrape(ctx)
	for _, w := range warnings {
		t.warn(w)
	}
	return err
}

// firstPatience is how long the first scrapes may take: until shortly before the common
// start, or for some intervals, since Prometheus spreads them over one.
func (t *testRun) firstPatience() time.Duration {
	return max(firstScrapePatience, someScrapes*t.run.Source.Scrape(), time.Until(t.spec.StartAt.Add(-scrapeLead)))
}

// awaitFirstScrape waits for whoever has this generator's series recorded.
func (t *testRun) awaitFirstScrape(ctx context.Context) error {
	if t.push != nil {
		return nil
	}
	patience := t.firstPatience()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if t.spec.OnWait != nil {
		soon := time.AfterFunc(firstScrapePatience/3, func() {
			t.spec.OnWait(patience-firstScrapePatience/3, fmt.Errorf("nobody has scraped %s yet", t.page.url))
		})
		defer soon.Stop()
	}
	if !t.page.awaitRead(ctx, time.Time{}) {
		return fmt.Errorf("nobody has scraped %s within %s: name it in the scrape_configs of the Prometheus or of segment 1, or push with --remote-write", t.page.url, patience.Round(time.Second))
	}
	return nil
}

// targetJob is the job label of the target's own series.
func (t *testRun) targetJob() string {
	if t.spec.Service == "" {
		return "target"
	}
	return t.spec.Service
}

// finishSeries sees to it that the series have the last word of this segment
// and, in the recording, of the others.
func (t *testRun) finishSeries(ctx, hard context.Context, summary loadgen.Summary) error {
	if ctx.Err() != nil { // that stop was for the load; the next one is for what is waited for here
		ctx = hard
	}
	ended := time.Now()
	var errs []error
	if t.push != nil {
		errs = append(errs, t.push.finish())
		t.push = nil
	}
	if t.spec.Segment.Of > 1 {
		errs = append(errs, t.store.SaveSegment(t.run.ID, store.Segment{State: t.run.State, Generator: t.run.Generators.Segments[0], Requests: summary.Requests, Stages: t.run.Stages}))
	}
	if t.spec.owns() {
		if t.spec.Segment.Of > 1 {
			errs = append(errs, t.gatherSegments(ctx, hard))
		}
	}
	if t.recorder != nil {
		t.page.live.close()
		t.run.Source.Live = ""
		errs = append(errs, t.recorder.Seal())
		t.recorder = nil
	} else if t.spec.RemoteWrite == nil {
		patience := someScrapes * t.run.Source.Scrape()
		if !t.spec.owns() && t.spec.Prometheus == "" {
			patience += t.segmentPatience(hard) // segment 1 scrapes once more when all have ended
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if !t.page.awaitRead(ctx, ended) {
			t.warn(fmt.Sprintf("%s was not scraped after the load: its last seconds may be missing", t.page.url))
		}
	}
	return errors.Join(errs...)
}

// gatherSegments waits until the other segments have ended, and takes over what
// they say of themselves.
func (t *testRun) gatherSegments(ctx, hard context.Context) error {
	if err := t.store.AwaitSegments(ctx, t.run.ID, t.segmentPatience(hard), t.spec.OnWait); err != nil {
		t.warn(err.Error())
	}
	all, err := t.store.Segments(t.run.ID)
	if err != nil {
		return err
	}
	t.run.Generators.Segments = nil
	for _, s := range all {
		t.run.Generators.Segments = append(t.run.Generators.Segments, s.Generator)
		t.answered(s.Stages)
	}
	if missing := missingSegments(t.run.Generators); missing != "" {
		t.warn(fmt.Sprintf("%s never came, so their part of the load is missing; if they wrote to another folder, copy their records into %s", missing, filepath.Join(t.store.Dir(t.run.ID), "segments")))
	}
	return nil
}

// missingSegments names those of which there is no record; "" for none.
func missingSegments(g run.Generators) string {
	var missing []string
	for n := 1; n <= g.Expected; n++ {
		if !slices.ContainsFunc(g.Segments, func(s run.Generator) bool { return s.Segment == n }) {
			missing = append(missing, strconv.Itoa(n))
		}
	}
	switch last := len(missing) - 1; {
	case last < 0:
		return ""
	case last == 0:
		return "segment " + missing[0]
	default:
		return "segments " + strings.Join(missing[:last], ", ") + " and " + missing[last]
	}
}

// awaitLogins waits until whoever keeps the series has seen the logins of an open
// model: the first increments of the load must have none of them.
func (t *testRun) awaitLogins(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, someScrapes*t.run.Source.Scrape())
	defer cancel()
	var seen bool
	switch {
	case t.recorder != nil:
		seen = t.recorder.WaitScrape(within)
	case t.push != nil:
		seen = t.push.awaitPush(within)
	default:
		seen = t.page.awaitRead(within, time.Now())
	}
	if !seen && ctx.Err() == nil {
		t.warn("nothing was scraped between the logins and the load, whose first seconds may have some of them")
	}
}

// segmentPatience is how long the other segments may take to end; nothing once hard has ended.
func (t *testRun) segmentPatience(hard context.Context) time.Duration {
	if hard.Err() != nil {
		return 0
	}
	return t.spec.grace() + segmentPatience
}
