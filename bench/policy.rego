# What the bundle that ships enforces on a create, for OPA behind Envoy's ext_authz filter.
package envoy.authz

import rego.v1

create_paths := {
	"/baremetal/v1alpha/images",
	"/yandex.cloud.baremetal.v1alpha.ImageService/Create",
}

host := "storage.yandexcloud.net"

buckets := {"golden-images"}

environments := {"prod", "staging", "dev"}

catalogue := {"env", "owner", "cost-center", "project", "managed-by"}

is_create if {
	input.attributes.request.http.method == "POST"
	input.attributes.request.http.path in create_paths
}

request := object.get(input, "parsed_body", {})

uri := object.get(request, "uri", "")

labels := object.get(request, "labels", {})

# [whole, scheme, host, bucket, key]
link := regex.find_all_string_submatch_n(`^([a-z]+)://([^/?#]+)/([^/?#]+)/([^?#]+)$`, uri, 1)[0]

scheme := link[1]

bucket := link[3]

key := link[4]

violations contains "approved-source/link: the URI is not a link to Object Storage" if {
	is_create
	not is_link
}

is_link if link[2] == host

is_link if endswith(link[2], concat("", [".", host]))

violations contains "approved-source/scheme: the link is not encrypted" if {
	is_create
	is_link
	scheme != "https"
}

violations contains "approved-source/website: the link goes to a bucket published as a site" if {
	is_create
	contains(link[2], ".website.")
}

violations contains sprintf("approved-source/bucket: bucket %s is not approved", [bucket]) if {
	is_create
	is_link
	not bucket in buckets
}

violations contains "approved-source/iso: the object is not an ISO file" if {
	is_create
	is_link
	not endswith(lower(key), ".iso")
}

violations contains "required-labels/env: set the label env to one of prod, staging, dev" if {
	is_create
	not object.get(labels, "env", "") in environments
}

violations contains sprintf("required-labels/%s: set the label", [name]) if {
	is_create
	some name in ["owner", "cost-center"]
	object.get(labels, name, "") == ""
}

# Advice: these deny nothing.
warnings contains "naming: name the image <product>-<version>, as ubuntu-24-04" if {
	is_create
	not regex.match(`^[a-z]+(-[a-z0-9]+)*-[0-9]+(-[0-9]+)*$`, object.get(request, "name", ""))
}

audits contains sprintf("label-catalogue: %s is not in the catalogue", [name]) if {
	is_create
	some name, _ in labels
	not name in catalogue
}

response := {"allowed": true, "response_headers_to_add": {"x-policy-warning": concat("; ", warnings)}} if {
	count(violations) == 0
	count(warnings) > 0
} else := {"allowed": true} if {
	count(violations) == 0
} else := {
	"allowed": false,
	"http_status": 403,
	"body": json.marshal({"code": 7, "message": concat("; ", violations), "details": []}),
}

# The audits are part of the decision, so that they are evaluated and logged.
decision := object.union(response, {"dynamic_metadata": {"audits": count(audits)}})
