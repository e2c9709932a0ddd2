// Where the definitions of foreign kinds that the chart uses come from, for the tests of the chart. No program.
module argosy.dev/test/kubernetes/crds

go 1.26.0

require (
	github.com/prometheus-operator/prometheus-operator v0.92.1
	sigs.k8s.io/gateway-api v1.6.3
)
