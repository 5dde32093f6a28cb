package migrate

import (
	"maps"
	"slices"
)

// mergeKey returns the field that merges the elements of a list, or "" for a list that is replaced.
func mergeKey(list string) string {
	switch list {
	case "containers", "volumes":
		return "name"
	case "volumeMounts":
		return "mountPath"
	}
	return ""
}

// overlay merges a patch into fields, as kustomize merges the patches of our manifests: null
// removes a field. strategicpatch does the same, but adds 5 MB.
func overlay(fields, patch map[string]any) map[string]any {
	merged := maps.Clone(fields)
	if merged == nil {
		merged = map[string]any{}
	}
	for name, value := range patch {
		list, isList := merged[name].([]any)
		switch value := value.(type) {
		case nil:
			delete(merged, name)
		case map[string]any:
			inner, _ := merged[name].(map[string]any)
			merged[name] = overlay(inner, value)
		case []any:
			if key := mergeKey(name); isList && key != "" {
				merged[name] = overlayList(list, value, key)
				continue
			}
			merged[name] = value
		default:
			merged[name] = value
		}
	}
	return merged
}

// overlayList merges elements with the same value of a key. Other elements come first, as in
// strategicpatch.
func overlayList(list, patch []any, key string) []any {
	merged := slices.Clone(list)
	var fresh []any
	for _, p := range patch {
		element, _ := p.(map[string]any)
		i := slices.IndexFunc(merged, func(old any) bool {
			fields, _ := old.(map[string]any)
			return fields[key] == element[key]
		})
		if i < 0 {
			fresh = append(fresh, p)
			continue
		}
		old, _ := merged[i].(map[string]any)
		merged[i] = overlay(old, element)
	}
	return append(fresh, merged...)
}
