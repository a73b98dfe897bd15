//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"text/template"
)

// manifest is a Deployment of the wrong server as anybody might write it, and the
// Service before it.
type manifest struct {
	Name    string // of the Deployment; a case has a Deployment of its own
	Version string
	Fault   string
	Env     map[string]string // what else the server is told

	Replicas, Surge, Unavailable int
	Grace                        int // terminationGracePeriodSeconds
	PreStop                      int // seconds of a sleep; 0: none
	NoProbe                      bool
}

var manifestText = template.Must(template.New("manifest").Parse(`apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: NodePort
  selector:
    app: {{.Name}}
  ports:
    - port: 80
      targetPort: 8080
      nodePort: 30080
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{.Name}}
spec:
  replicas: {{.Replicas}}
  strategy:
    rollingUpdate:
      maxSurge: {{.Surge}}
      maxUnavailable: {{.Unavailable}}
  selector:
    matchLabels:
      app: {{.Name}}
  template:
    metadata:
      labels:
        app: {{.Name}}
    spec:
      terminationGracePeriodSeconds: {{.Grace}}
      automountServiceAccountToken: false
      containers:
        - name: server
          image: ` + wrongImage + `
          env:
            - name: WRONG_POD
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            - name: WRONG_VERSION
              value: "{{.Version}}"
            - name: WRONG_FAULT
              value: "{{.Fault}}"
            {{- range $name, $value := .Env}}
            - name: {{$name}}
              value: "{{$value}}"
            {{- end}}
          ports:
            - containerPort: 8080
          resources:
            requests:
              cpu: 50m
              memory: 32Mi
          {{- if not .NoProbe}}
          readinessProbe:
            httpGet:
              path: /v2/health/ready
              port: 8080
            periodSeconds: 1
          {{- end}}
          {{- if .PreStop}}
          lifecycle:
            preStop:
              sleep:
                seconds: {{.PreStop}}
          {{- end}}
`))

// write puts the manifest into a file.
func (m manifest) write(t *testing.T, dir, name string) string {
	t.Helper()
	var b bytes.Buffer
	if err := manifestText.Execute(&b, m); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
