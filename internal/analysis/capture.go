package analysis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// Capture says which series of a run are copied, and what may be replaced.
type Capture struct {
	Options
	All   bool     // every series of the server
	Match []string // further selectors
	Force bool     // replace a recording that the run has
}

// Captured is what a capture did.
type Captured struct {
	Already         bool // the run had its recording; nothing was done
	Series, Samples int
	Source          string // URL of the Prometheus
	Warnings        []string
}

// Capture copies the raw series of a run from a Prometheus into a recording of its
// own, whole or not at all, so that the report can be made again after the server
// has forgotten them. Done twice it changes nothing.
func (a *Analyzer) Capture(ctx context.Context, id string, c Capture) (Captured, error) {
	r, err := a.Store.Load(id)
	if err != nil {
		return Captured{}, err
	}
	address := c.server(r)
	out := Captured{Source: promql.Public(address)}
	if !c.Force {
		if out.Already, err = a.captured(&r); out.Already || err != nil {
			return out, err
		}
	}
	if address == "" {
		return out, fmt.Errorf("run %s: name the Prometheus that holds its series with --prometheus", id)
	}
	selectors, err := a.captureSelectors(r, c)
	if err != nil {
		return out, err
	}
	client, err := a.client(ctx, address, r.Window, c.Options)
	if err != nil {
		return out, fmt.Errorf("run %s: %w", id, err)
	}
	tmp, err := os.MkdirTemp(a.Store.Dir(id), ".capture-*")
	if err != nil {
		return out, fmt.Errorf("run %s: %w", id, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() //nolint:errcheck // at worst a hidden folder stays
	copied := filepath.Join(tmp, "recording")
	if err := out.copySeries(ctx, client, selectors, promql.History(r.Window, r.Source.Scrape()), copied); err != nil {
		return out, fmt.Errorf("run %s: %w", id, err)
	}
	if err := a.install(r, copied, filepath.Join(tmp, "before")); err != nil {
		return out, fmt.Errorf("run %s: %w", id, err)
	}
	r.Source.Recording, r.Source.Prometheus = true, out.Source
	return out, a.Store.Save(r)
}

// captured reports whether a run has been captured. One whose capture ended
// before it was registered is registered now.
func (a *Analyzer) captured(r *run.Run) (bool, error) {
	if r.Source.Recording && r.Source.Prometheus == "" {
		return false, fmt.Errorf("run %s: it was recorded by its load generator; --force replaces its recording with what the Prometheus holds", r.ID)
	}
	if r.Source.Recording {
		return true, nil
	}
	db, err := embedded.Open(a.Store.Recording(r.ID))
	if errors.Is(err, embedded.ErrNoRecording) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("run %s: %w; --force replaces it", r.ID, err)
	}
	r.Source.Recording = true
	return true, errors.Join(db.Close(), a.Store.Save(*r))
}

// captureSelectors are the series that a report reads: those of the SLA, of the
// load generator, and whether targets were up; and what was asked for besides.
func (a *Analyzer) captureSelectors(r run.Run, c Capture) ([]promql.Selector, error) {
	named := func(kind labels.MatchType, name string, more ...*labels.Matcher) promql.Selector {
		return promql.Selector{Matchers: append([]*labels.Matcher{labels.MustNewMatcher(kind, model.MetricNameLabel, name)}, more...)}
	}
	if c.All {
		return []promql.Selector{named(labels.MatchRegexp, ".+")}, nil
	}
	selectors := []promql.Selector{
		named(labels.MatchEqual, "up"),
		named(labels.MatchRegexp, "loadgen_.+", labels.MustNewMatcher(labels.MatchEqual, "run", r.ID)),
	}
	for _, text := range c.Match {
		matchers, err := promql.NewParser().ParseMetricSelector(text)
		if err != nil {
			return nil, fmt.Errorf("--match %s: %w", text, err)
		}
		selectors = append(selectors, promql.Selector{Matchers: matchers})
	}
	text, name, err := a.agreementText(r.ID, c.Options)
	if err != nil && len(c.Match) > 0 {
		return selectors, nil
	} else if err != nil {
		return nil, fmt.Errorf("%w; or choose series with --match or --all", err)
	}
	agreement, err := slo.Parse(name, text)
	if err != nil {
		return nil, err
	}
	read, err := agreement.Selectors(r, r.Source.Scrape())
	return append(selectors, read...), err
}

// copySeries writes series into a new recording.
func (c *Captured) copySeries(ctx context.Context, q promql.Querier, selectors []promql.Selector, w run.Window, dir string) (err error) {
	out, err := embedded.Create(dir, w.Duration())
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, sel := range selectors {
		stored, warnings, err := promql.Raw(ctx, q, sel, w, func(s promql.Series) error {
			seen[s.Labels.String()] = true
			return out.Append(s.Labels, s.Points...)
		})
		if err != nil {
			return errors.Join(err, out.Abandon())
		}
		if !stored {
			warnings = append(warnings, "this Prometheus has no remote read: the series were copied as PromQL shows them, without stale markers and without the schema of native histograms")
		}
		for _, w := range warnings {
			if !slices.Contains(c.Warnings, w) {
				c.Warnings = append(c.Warnings, w)
			}
		}
	}
	c.Series, c.Samples = len(seen), out.Samples()
	if c.Samples == 0 {
		return errors.Join(errors.New("the server has none of the series that the report reads; --match or --all choose others"), out.Abandon())
	}
	return out.Seal()
}

// install puts a recording in its place; the one that was there goes to before.
func (a *Analyzer) install(r run.Run, recording, before string) error {
	place := a.Store.Recording(r.ID)
	if err := os.Rename(place, before); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(recording, place); err != nil {
		return errors.Join(err, os.Rename(before, place))
	}
	return nil
}
