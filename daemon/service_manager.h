/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the service manager (systemd, Type=notify) how the start goes, by sd_notify(3)'s
   protocol: a datagram to the socket that the environment names. */
#ifndef SIGNET_DAEMON_SERVICE_MANAGER_H
#define SIGNET_DAEMON_SERVICE_MANAGER_H

/* state: "READY=1", "STOPPING=1". Does nothing where no manager asked for it. */
void service_manager_tell(const char *state);

#endif
