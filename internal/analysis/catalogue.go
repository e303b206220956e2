package analysis

import (
	"context"
	"math"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/slo"
)

// catalogueLines is how many lines a chart of a catalogue query has at most.
const catalogueLines = 8

// catalogue asks the guide's queries, as it writes them and as they should be asked.
func (x *analyzed) catalogue(ctx context.Context, r *report.Report) error {
	preset, _ := catalog.Named(x.preset)
	results, err := catalog.Evaluate(ctx, x.meter, catalog.Scope{
		Preset: preset, Vars: x.agreement.Vars, Whole: x.run.Window, Steady: slo.Scored(x.run),
	}, catalog.Queries...)
	for _, result := range results {
		q := result.Query
		r.Catalogue = append(r.Catalogue, report.CatalogueQuery{
			ID: q.ID, Title: q.Title, Unit: q.Unit, Why: q.Why, Guide: x.answer(result.Guide), Form: x.answer(result.Form),
		})
		c := report.Chart{ID: "catalogue-" + q.ID, Title: q.Title, Section: report.Catalogue, Unit: q.Unit}
		drawAnswer(&c, "", result.Form)
		if q.Why != "" {
			drawAnswer(&c, "guide: ", result.Guide)
		}
		if len(c.Lines) > 0 {
			r.Charts = append(r.Charts, c)
		}
	}
	return err
}

func (x *analyzed) answer(a catalog.Answer) report.Answer {
	out := report.Answer{Query: a.Expr, Link: x.link(a.Expr), Series: len(a.Values), Low: report.NoData, High: report.NoData, Warnings: a.Warnings}
	if a.Err != nil {
		out.Error = a.Err.Error()
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range a.Values {
		if !math.IsNaN(v.Value) {
			low, high = min(low, v.Value), max(high, v.Value)
		}
	}
	out.Low, out.High = report.Number(low), report.Number(high)
	return out
}

// drawAnswer adds the series of an answer, unless they are too many to tell apart.
func drawAnswer(c *report.Chart, prefix string, a catalog.Answer) {
	series := numbers(a.Series)
	if len(series) > catalogueLines {
		return
	}
	for _, s := range series {
		name := seriesName(s.Labels)
		if s.Labels.IsEmpty() {
			name = c.Title
		}
		addPoints(c, prefix+name, s.Points)
	}
}

// numbers are the series that are no histograms.
func numbers(series []promql.Series) (out []promql.Series) {
	for _, s := range series {
		if len(s.Points) > 1 && s.Points[0].Histogram == nil {
			out = append(out, s)
		}
	}
	return out
}
