// Checks files of deploy/ with the code of the tools that read them. Usage: go run . WHAT [PATH]
//
//	compose FILE      loads it as Docker Compose does, schema included, and prints it as JSON
//	kustomize FOLDER  prints what kubectl apply -k would apply
//	rules FILE        checks it as promtool check rules does
//	queries           reads a JSON array of PromQL from standard input and prints what each asks for
//
// Exits with 1 and the reason when something is wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Asked is what a query asks for: its metrics, and the labels that it matches or groups by.
type Asked struct {
	Metrics []string `json:"metrics"`
	Labels  []string `json:"labels"`
}

func compose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithOsEnv, cli.WithInterpolation(true), cli.WithProfiles([]string{"*"}))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	made, err := project.MarshalJSON()
	fmt.Println(string(made))
	return err
}

func kustomize(folder string) error {
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return err
	}
	text, err := made.AsYaml()
	fmt.Println(string(text))
	return err
}

func rules(path string) error {
	_, errs := rulefmt.ParseFile(path, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.Default())
	return errors.Join(errs...)
}

func queries() error {
	var given []string
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		return err
	}
	asked := make([]Asked, 0, len(given))
	for _, text := range given {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		asked = append(asked, askedBy(expr))
	}
	return json.NewEncoder(os.Stdout).Encode(asked)
}

func askedBy(expr parser.Expr) Asked {
	found := Asked{[]string{}, []string{}}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch part := node.(type) {
		case *parser.VectorSelector:
			for _, matcher := range part.LabelMatchers {
				if matcher.Name == labels.MetricName {
					found.Metrics = append(found.Metrics, matcher.Value)
				} else {
					found.Labels = append(found.Labels, matcher.Name)
				}
			}
		case *parser.AggregateExpr:
			found.Labels = append(found.Labels, part.Grouping...)
		}
		return nil
	})
	return found
}

func check() error {
	switch what := os.Args[1]; what {
	case "compose":
		return compose(os.Args[2])
	case "kustomize":
		return kustomize(os.Args[2])
	case "rules":
		return rules(os.Args[2])
	case "queries":
		return queries()
	default:
		return fmt.Errorf("unknown check %q", what)
	}
}

func main() {
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
