package command

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
	"rollproof/loadtest/run"
)

// source is where requests and their right answers come from.
type source struct {
	cases string
	plain cases.PlainConfig
	bare  bool // the version's header may be missing
	none  bool // answers do not tell their version
}

func (s *source) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&s.cases, "cases", "", "file of rows and their right answers, sent by the Open Inference Protocol (goldens.json)")
	fl.StringVar(&s.plain.Body, "body", "", "instead of --cases: file of the body to send to --url, path included")
	fl.StringVar(&s.plain.Template, "template", "", "instead of --cases: file of a Go template of the body; {{.Row.NAME}} is a row's column, {{.N}} its number, {{json V}} writes JSON")
	fl.StringVar(&s.plain.Rows, "rows", "", "file of rows for the template, .csv with a header or .jsonl; without one each line of a .jsonl file is a body")
	fl.StringVar(&s.plain.Method, "method", "", "method to send by (default POST)")
	fl.StringVar(&s.plain.ContentType, "content-type", "", "Content-Type to send (default application/json)")
	fl.StringArrayVar(&s.plain.Expect, "expect", nil, "what an answer must hold, PATH=VALUE, as outputs[0].data[1]=0.5; VALUE may be a template of the row; may be given again")
	fl.StringVar(&s.plain.ExpectFile, "expect-file", "", "file of the right answer; .jsonl: a line for each row")
	fl.StringVar(&s.plain.VersionPath, "version-path", "", "place in the answer that names its version, as model.version")
	fl.BoolVar(&s.bare, "version-in-body", false, "with --cases: answers need not name their version in a header, their body's model_version counts")
	fl.BoolVar(&s.none, "no-version", false, "answers do not tell which version gave them")
}

// isPlain tells whether another source than goldens is named.
func (s *source) isPlain() bool {
	return s.plain.Body != "" || s.plain.Template != "" || s.plain.Rows != ""
}

// apply reads the files into a run's configuration.
func (s *source) apply(cfg *run.Config, cmd *cobra.Command) error {
	switch {
	case s.cases == "" && !s.isPlain():
		return errors.New("--cases: a file of rows and their right answers is wanted, or --body, --template or --rows")
	case s.cases != "" && s.isPlain():
		return errors.New("--cases beside --body, --template or --rows: want one source")
	case s.cases != "":
		return s.goldens(cfg)
	}
	if cfg.GRPC {
		return errors.New("--protocol grpc: it sends by the Open Inference Protocol: want --cases")
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	if u.Scheme == "" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("--url %q: want http://HOST:PORT/PATH or https://HOST:PORT/PATH; a user belongs into --header-file", u.Redacted())
	}
	s.plain.Path = u.EscapedPath()
	if s.plain.Path == "" {
		s.plain.Path = "/"
	}
	if u.RawQuery != "" {
		s.plain.Path += "?" + u.RawQuery
	}
	cfg.URL = u.Scheme + "://" + u.Host
	s.plain.WantVersion = cfg.VersionHeader != "" || s.plain.VersionPath != ""
	if s.none && s.plain.WantVersion {
		return errors.New("--no-version beside --version-header or --version-path: want one of them")
	}
	plain, err := cases.LoadPlain(s.plain)
	if err != nil {
		return err
	}
	if !plain.Checked() {
		cfg.Warnings = append(cfg.Warnings, "no --expect or --expect-file: of an answer only its status was checked, and that it was whole")
	}
	if cfg.VersionHeader == "" {
		// Rollproof's own: a service may have it, and need not.
		cfg.VersionHeader = attack.VersionHeader
	}
	s.slow(cfg, cmd)
	cfg.Service = plain
	return nil
}

// slow sets the slow lanes of a body that cannot be made of more rows: they need
// a header that makes the server take its time.
func (s *source) slow(cfg *run.Config, cmd *cobra.Command) {
	cfg.SlowRows, cfg.StepRows = 1, 1
	if len(cfg.SlowHeader) > 0 {
		return
	}
	for flag, rate := range map[string]*float64{"slow-new-rate": &cfg.SlowNewRate, "slow-reused-rate": &cfg.SlowReusedRate} {
		if !cmd.Flags().Changed(flag) {
			*rate = 0
		}
	}
}

// goldens reads the file of --cases.
func (s *source) goldens(cfg *run.Config) error {
	if len(s.plain.Expect) > 0 || s.plain.ExpectFile != "" || s.plain.VersionPath != "" || s.plain.Method != "" || s.plain.ContentType != "" || s.none {
		return errors.New("--expect, --expect-file, --version-path, --no-version, --method and --content-type are for --body, --template and --rows: --cases has its own")
	}
	set, err := cases.Load(s.cases)
	if err != nil {
		return err
	}
	if s.bare {
		set = set.WithoutHeader()
	}
	cfg.Service = set
	if cfg.GRPC {
		if cfg.Service, err = set.GRPC(); err != nil {
			return fmt.Errorf("cases %s: %w", s.cases, err)
		}
	}
	return nil
}
