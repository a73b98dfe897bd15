package prometheus_test

import (
	"bytes"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"rollproof/loadtest/fake/kept"
	"rollproof/loadtest/report/prometheus"
)

// What is written is read by Prometheus' own parser, and its linter finds nothing.
func TestMetrics(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]kept.Story{
		"pass": {}, "fail": {Lossy: true, Mess: "\"\\\n\x1b\xff{}"}, "load": {Load: true}, "inconclusive": {Short: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := kept.Write(t.TempDir(), story)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := prometheus.Write(&out, r); err != nil {
				t.Fatal(err)
			}
			problems, err := promlint.New(bytes.NewReader(out.Bytes())).Lint()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
			parser := expfmt.NewTextParser(model.LegacyValidation)
			families, err := parser.TextToMetricFamilies(&out)
			if err != nil {
				t.Fatal(err)
			}
			var requests, lost, verdicts float64
			for _, m := range families["rollproof_loadtest_requests"].GetMetric() {
				requests += m.GetGauge().GetValue()
			}
			for _, m := range families["rollproof_loadtest_lost_requests"].GetMetric() {
				lost += m.GetGauge().GetValue()
			}
			for _, m := range families["rollproof_loadtest_verdict"].GetMetric() {
				verdicts += m.GetGauge().GetValue()
			}
			if uint64(requests) != r.Verdict.Requests || uint64(lost) != r.Verdict.Lost || verdicts != 1 {
				t.Errorf("%v requests, %v lost, %v verdicts; want %d, %d, 1", requests, lost, verdicts, r.Verdict.Requests, r.Verdict.Lost)
			}
		})
	}
}
