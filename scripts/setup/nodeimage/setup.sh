#!/bin/sh
# Runs once in the node image while it is built: the steps of the RUN lines of
# kind's images/base/Dockerfile.
set -eu
chmod 755 /usr/local/bin/* /kind /kind/bin /kind/bin/*
# A node is no machine: no consoles, no devices, nothing that a boot waits for.
find /lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete
rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/* \
	/lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/basic.target.wants/* \
	/lib/systemd/system/sockets.target.wants/*udev* /lib/systemd/system/sockets.target.wants/*initctl*
echo "ReadKMsg=no" >>/etc/systemd/journald.conf
ln -sf /lib/systemd/systemd /sbin/init
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
systemctl mask systemd-binfmt.service
mkdir -p /etc/kubernetes/manifests /opt/cni/bin /usr/local/sbin /kind/manifests
ln -sf /usr/sbin/runc /usr/local/sbin/runc
for program in kubelet kubeadm kubectl; do ln -sf hyperkube /usr/bin/$program; done
# Every container is given the node's product name instead of the machine's.
ctr oci spec |
	jq '.hooks.createContainer[.hooks.createContainer | length] |= . + {"path": "/kind/bin/mount-product-files.sh"} | del(.process.rlimits)' \
		>/etc/containerd/cri-base.json
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
