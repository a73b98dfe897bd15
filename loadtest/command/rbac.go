package command

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	rbacv1 "k8s.io/api/rbac/v1"

	"rollproof/loadtest/observe"
)

func rbacCommand(stdout io.Writer) *cobra.Command {
	r := observe.Rights{}
	var account, user, group string
	cmd := &cobra.Command{
		Use:   "rbac --namespace NAME [flags]",
		Short: "Print the Role and RoleBinding that watching a Deployment or StatefulSet needs",
		Long: "rbac prints the rights that load and upgrade need in the Deployment's namespace, to get, list and watch, as\n" +
			"YAML for kubectl apply. They are for a service account of that namespace, or for --user or --group.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case r.Namespace == "":
				return errors.New("--namespace: the Deployment's is wanted")
			case user != "" && group != "":
				return fmt.Errorf("--user %q and --group %q: want one of them", user, group)
			case user != "":
				r.Subject = rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}
			case group != "":
				r.Subject = rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: group}
			default:
				r.Subject = rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: r.Namespace, Name: account}
			}
			text, err := r.YAML()
			if err != nil {
				return err
			}
			_, err = stdout.Write(text)
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&r.Namespace, "namespace", "", "namespace of the Deployment")
	fl.StringVar(&r.Name, "name", "loadtest", "name of the Role and the RoleBinding")
	fl.StringVar(&account, "service-account", "loadtest", "service account that gets the rights")
	fl.StringVar(&user, "user", "", "user that gets the rights instead")
	fl.StringVar(&group, "group", "", "group that gets the rights instead")
	fl.BoolVar(&r.Nodes, "nodes", false, "also a ClusterRole for nodes, which are optional")
	return cmd
}
