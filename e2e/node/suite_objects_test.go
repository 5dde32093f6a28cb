//go:build node

package node

// suiteObjects are created like those of the Kubernetes project's tests.
const suiteObjects = `
apiVersion: v1
kind: Namespace
metadata: {name: dns-test}
---
apiVersion: v1
kind: Pod
metadata: {name: dns-querier-1, namespace: dns-test, labels: {dns-test-hosts: "true"}}
spec:
  hostname: dns-querier-1
  subdomain: dns-test-service
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
---
apiVersion: v1
kind: Service
metadata: {name: dns-test-service, namespace: dns-test}
spec: {clusterIP: None, selector: {dns-test-hosts: "true"}}
---
apiVersion: v1
kind: Pod
metadata: {name: dns-querier-2, namespace: dns-test, labels: {dns-test-hostname-attribute: "true"}}
spec:
  hostname: dns-querier-2
  subdomain: dns-test-service-2
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
---
apiVersion: v1
kind: Service
metadata: {name: dns-test-service-2, namespace: dns-test}
spec: {clusterIP: None, selector: {dns-test-hostname-attribute: "true"}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: dns-test, labels: {dns-test: "true"}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
---
apiVersion: v1
kind: Service
metadata: {name: dns-test-web, namespace: dns-test}
spec: {clusterIP: None, selector: {dns-test: "true"}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: test-service-2, namespace: dns-test}
spec: {selector: {dns-test: "true"}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: dns-test-service-3, namespace: dns-test}
spec: {type: ExternalName, externalName: foo.example.test}
---
apiVersion: v1
kind: Pod
metadata: {name: dns-querier-host, namespace: dns-test}
spec:
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":18081"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: dns-nameservers, namespace: dns-test}
spec:
  dnsPolicy: None
  dnsConfig: {nameservers: [10.96.0.10], searches: [resolv.conf.local]}
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: dns-resolv-conf, namespace: dns-test}
spec:
  dnsPolicy: None
  dnsConfig:
    nameservers: [10.96.0.10]
    searches: [default.svc.cluster.local]
    options: [{name: ndots, value: "2"}]
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: dns-search, namespace: dns-test}
spec:
  dnsConfig:
    searches:
    - ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss1.example.test
    - ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss2.example.test
    - ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss3.example.test
    - ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss4.example.test
    - ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss5.example.test
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
`
