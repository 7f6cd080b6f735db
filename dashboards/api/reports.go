package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/report"
	"karkhana/internal/registry"
)

type monthReportInput struct {
	ReportInput
	Machine string `query:"machine" maxLength:"40" doc:"One machine, by days; left out: all machines"`
}

// ReportInput is the path and the query of every report.
type ReportInput struct {
	SiteInput
	MonthInput
	Lang string `query:"lang" enum:"hi,en" default:"hi" doc:"Language of the words"`
}

type reportOutput struct {
	Body struct {
		Report *report.Report `json:"report" doc:"The figures"`
		Page   *report.Page   `json:"page" doc:"The figures in words, as the PDF and the table have them"`
	}
}

func (a *API) routeReports() {
	routeReport(a, report.KindMonth, "The month of a site or of a machine",
		"Times, energy, indicators, unknown time by cause, and the settings and prices they were made with.",
		func(in *monthReportInput) report.Asked {
			return report.Asked{Kind: report.KindMonth, Site: in.Site, Month: in.Month, Machine: in.Machine}
		}, func(in *monthReportInput) string { return in.Lang })
	routeReport(a, report.KindScheme, "The month for schemes and subsidies",
		"Hours, groups, shares of women, SC and ST members, utilisation by planned busy time and by the schemes' hours a year, with the financial year so far.",
		func(in *ReportInput) report.Asked {
			return report.Asked{Kind: report.KindScheme, Site: in.Site, Month: in.Month}
		}, func(in *ReportInput) string { return in.Lang })
	a.routeMeterReport()
}

// routeMeterReport registers the report of the main meter.
func (a *API) routeMeterReport() {
	routeReport(a, report.KindMeter, "The main meter against the machines",
		"The difference by days and what explains it: loads without a meter and losses, machines not heard, estimates; cost by the main meter.",
		func(in *ReportInput) report.Asked {
			return report.Asked{Kind: report.KindMeter, Site: in.Site, Month: in.Month}
		}, func(in *ReportInput) string { return in.Lang })
}

// routeReport registers a report as JSON, CSV and PDF.
func routeReport[In any](a *API, kind, summary, description string, asked func(*In) report.Asked, lang func(*In) string) {
	path := "/sites/{site}/reports/" + kind
	huma.Register(a.huma, operation("get-"+kind+"-report", http.MethodGet, path, summary, description),
		func(ctx context.Context, in *In) (*reportOutput, error) {
			r, p, err := a.report(ctx, asked(in), lang(in))
			if err != nil {
				return nil, err
			}
			var out reportOutput
			out.Body.Report, out.Body.Page = r, p
			return &out, nil
		})
	for _, form := range []struct {
		suffix, contentType, summary string
		write                        func(*report.Page, io.Writer) error
	}{
		{"csv", csvType, "as tables for spreadsheets", (*report.Page).WriteCSV},
		{"pdf", "application/pdf", "as a paper; the same figures give the same file", (*report.Page).WritePDF},
	} {
		op := operation("get-"+kind+"-report-"+form.suffix, http.MethodGet, path+"."+form.suffix, summary+", "+form.summary, "")
		huma.Register(a.huma, giving(op, "The file", form.contentType), func(ctx context.Context, in *In) (*fileOutput, error) {
			q := asked(in)
			_, p, err := a.report(ctx, q, lang(in))
			if err != nil {
				return nil, err
			}
			var b bytes.Buffer
			if err := form.write(p, &b); err != nil {
				return nil, a.fail(ctx, "write the report", err)
			}
			name := q.Site + "-" + q.Month + "-" + kind
			if q.Machine != "" {
				name += "-" + q.Machine
			}
			return file(form.contentType, name+"."+form.suffix, b.Bytes()), nil
		})
	}
}

func (a *API) report(ctx context.Context, q report.Asked, lang string) (*report.Report, *report.Page, error) {
	q.NowMs = a.now().UnixMilli()
	if q.Machine != "" {
		if _, _, err := a.machine(ctx, q.Site, q.Machine); err != nil {
			return nil, nil, err
		}
	} else if _, err := a.site(ctx, q.Site); err != nil {
		return nil, nil, err
	}
	r, err := report.Make(ctx, report.Deps{Store: a.store, Registry: a.reg}, q)
	switch {
	case errors.Is(err, report.ErrNotBegun):
		return nil, nil, problem(http.StatusBadRequest, "month %s has not begun: reports are made of past months and the present one", q.Month)
	case errors.Is(err, registry.ErrNotFound):
		return nil, nil, problem(http.StatusNotFound, "%v", err)
	case err != nil:
		return nil, nil, a.fail(ctx, "make the report", err)
	}
	p, err := r.Page(lang)
	if err != nil {
		return nil, nil, a.fail(ctx, "put the report into words", err)
	}
	return r, p, nil
}
