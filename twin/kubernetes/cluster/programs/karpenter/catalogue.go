package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

// described is what the catalogue file says of a type beyond what kwok's provider reads from it.
type described struct {
	Name     string              `json:"name"`
	Labels   map[string]string   `json:"labels"`
	Overhead corev1.ResourceList `json:"overhead"`
}

// readCatalogue reads the instance types with kwok's provider, then gives each the labels that Karpenter's
// AWS provider would give its nodes, so that the requirements of pools made for AWS mean the same here.
func readCatalogue(ctx context.Context, path string) ([]*cloudprovider.InstanceType, error) {
	types, err := kwok.ConstructInstanceTypes(ctx)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var descriptions []described
	if err := json.Unmarshal(text, &descriptions); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	byName := map[string]described{}
	keys := map[string]bool{}
	for _, description := range descriptions {
		byName[description.Name] = description
		for key := range description.Labels {
			keys[key] = true
		}
	}
	v1.WellKnownLabels = v1.WellKnownLabels.Insert(slices.Collect(maps.Keys(keys))...)
	for _, instanceType := range types {
		description := byName[instanceType.Name]
		for key := range keys {
			instanceType.Requirements.Add(requirement(key, description.Labels))
		}
		instanceType.Overhead = &cloudprovider.InstanceTypeOverhead{KubeReserved: description.Overhead}
	}
	return types, nil
}

// requirement of a type for one label: Karpenter wants every well-known label answered, by its absence too.
func requirement(key string, labels map[string]string) *scheduling.Requirement {
	if value, has := labels[key]; has {
		return scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value)
	}
	return scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist)
}
