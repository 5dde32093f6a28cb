// Package corefile makes the Corefile that node-cache runs, from a template and the ConfigMap
// kube-dns. It is pure: text in, text out.
//
//	template ─► Render: placeholders, a block for each stub domain ─► Adapt ─► CoreDNS
//
// Adapt changes what CoreDNS would refuse or answer worse: a forward without any server, and the
// cache of the cluster zone. Text that the scanner cannot parse is not changed; CoreDNS decides
// about it.
package corefile
