// Package trace sends OpenTelemetry traces when the standard environment variables ask
// for them (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
// and else costs nothing: nothing is wrapped. It knows nothing of models.
package trace

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/stats"
)

// Tracing makes and sends spans.
type Tracing struct {
	provider   *sdk.TracerProvider
	propagator propagation.TextMapPropagator
}

// Service is who the spans are of. Resource attributes of the environment win.
type Service struct{ Version, Pod string }

// Start returns nil if the environment (entries NAME=value) asks for no traces: it does
// by OTEL_TRACES_EXPORTER=otlp or console, or by an OTLP endpoint. An error names the
// variable and what would be right. The SDK reads the process's own environment for
// endpoint, headers, sampler and batches. Spans of OTEL_TRACES_EXPORTER=console go to
// console.
func Start(ctx context.Context, environ []string, s Service, console io.Writer, log *slog.Logger) (*Tracing, error) {
	variables := map[string]string{}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			variables[name] = value
		}
	}
	if strings.EqualFold(variables["OTEL_SDK_DISABLED"], "true") {
		return nil, nil
	}
	exporter, err := exporter(ctx, variables, console)
	if err != nil || exporter == nil {
		return nil, err
	}
	propagator, err := propagators(variables["OTEL_PROPAGATORS"])
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "rollproof"),
			attribute.String("service.version", s.Version), attribute.String("k8s.pod.name", s.Pod)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("traces", "error", err.Error())
	}))
	log.Info("traces are sent", "propagators", propagator.Fields())
	return &Tracing{
		provider:   sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about)),
		propagator: propagator,
	}, nil
}

// exporter returns what the variables ask for, nil for nothing.
func exporter(ctx context.Context, variables map[string]string, console io.Writer) (sdk.SpanExporter, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if variables[name] != "" {
				return variables[name]
			}
		}
		return ""
	}
	switch e := variables["OTEL_TRACES_EXPORTER"]; {
	case e == "none":
		return nil, nil
	case e == "console":
		return stdouttrace.New(stdouttrace.WithWriter(console))
	case e == "" && first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") == "":
		return nil, nil
	case e != "" && e != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%q: want otlp, console or none", e)
	}
	switch p := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); p {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%q: want http/protobuf or grpc", p)
	}
}

// propagators reads OTEL_PROPAGATORS.
func propagators(list string) (propagation.TextMapPropagator, error) {
	if list == "" {
		list = "tracecontext,baggage"
	}
	var all []propagation.TextMapPropagator
	for name := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(name) {
		case "tracecontext":
			all = append(all, propagation.TraceContext{})
		case "baggage":
			all = append(all, propagation.Baggage{})
		case "none":
		default:
			return nil, fmt.Errorf("OTEL_PROPAGATORS=%q: %q is not one of tracecontext, baggage and none", list, name)
		}
	}
	return propagation.NewCompositeTextMapPropagator(all...), nil
}

// Wrap makes a span of each request that is not a probe.
func (t *Tracing) Wrap(next http.Handler, probe func(path string) bool) http.Handler {
	return otelhttp.NewHandler(next, "http",
		otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(t.propagator),
		otelhttp.WithFilter(func(r *http.Request) bool { return !probe(r.URL.Path) }),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }))
}

// GRPC makes a span of each call.
func (t *Tracing) GRPC() stats.Handler {
	return otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(t.provider), otelgrpc.WithPropagators(t.propagator))
}

// Stop sends what is left, until ctx ends.
func (t *Tracing) Stop(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("sending the last traces: %w", err)
	}
	return nil
}
