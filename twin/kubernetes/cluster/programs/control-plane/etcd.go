package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// newEtcdCommand serves one etcd member on a Unix socket, which only the owner of its folder can open.
func newEtcdCommand() *cobra.Command {
	var directory, socket string
	command := &cobra.Command{
		Use:          "etcd",
		Short:        "Serve etcd on a Unix socket",
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			return serveEtcd(directory, socket)
		},
	}
	command.Flags().StringVar(&directory, "data-dir", "", "folder of the data")
	command.Flags().StringVar(&socket, "socket", "", "socket to serve clients on, as name:number, in the working directory")
	_ = command.MarkFlagRequired("data-dir")
	_ = command.MarkFlagRequired("socket")
	return command
}

func serveEtcd(directory, socket string) error {
	config := embed.NewConfig()
	config.Dir = directory
	config.LogLevel = "error"
	// The data lives as long as the cluster, which nobody needs back after a power cut.
	config.UnsafeNoFsync = true
	clients := url.URL{Scheme: "unix", Host: socket}
	peers := url.URL{Scheme: "unix", Host: "peers." + socket}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(time.Minute):
		return fmt.Errorf("etcd was not ready within a minute")
	}
	select {
	case err := <-server.Err():
		return err
	case <-genericapiserver.SetupSignalHandler():
		return nil
	}
}
