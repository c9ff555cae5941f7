//! systemd: a service that may do nothing but serve, and the user it is.

use crate::error::ExportError;
use crate::file::File;
use crate::server;
use crate::spin;
use crate::subject::Subject;
use crate::text::one_line;

/// What confines the service (systemd.exec(5)). Not among it: `MemoryDenyWriteExecute`, because compiled functions are
/// mapped as code, and `ProcSubset=pid`, because the memory pressure of the machine is read from /proc.
const CONFINEMENT: &str = "\
AmbientCapabilities=
CapabilityBoundingSet=
DevicePolicy=closed
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
";

pub(crate) fn files(subject: &Subject) -> Result<Vec<File>, ExportError> {
    let mut files = vec![
        service(subject),
        File::new(
            "hyaline.sysusers.conf",
            "# The user of every function's service (sysusers.d(5)).\nu hyaline - \"Hyaline functions\" /var/lib/hyaline -\n",
        ),
    ];
    files.extend(server::manifest(subject));
    Ok(files)
}

fn service(subject: &Subject) -> File {
    let name = &subject.name;
    let component = &subject.component;
    let folder = format!("/usr/local/share/hyaline/{name}");
    let command = server::arguments(
        subject,
        &format!("{folder}/"),
        Some(subject.listen.to_string()),
    )
    .join(" ");
    let description = match &subject.description {
        Some(text) => format!("Hyaline function {name}: {}", one_line(text, 200)),
        None => format!("Hyaline function {name}"),
    };
    let manifest = if subject.allowed_outbound_hosts.is_empty() {
        String::new()
    } else {
        format!(" {}", spin::MANIFEST)
    };
    let secrets: String = subject
        .secrets
        .iter()
        .map(|secret| {
            format!(
                "LoadCredential={secret}:/etc/hyaline/{name}/{secret}\nEnvironment={}=%d/{secret}\n",
                secret.variable,
                secret = secret.name
            )
        })
        .collect();
    let mut confinement = CONFINEMENT.to_owned();
    // Ports below 1024 are the one privilege it may need.
    if subject.listen.port() < 1024 {
        confinement = confinement
            .replace(
                "AmbientCapabilities=\n",
                "AmbientCapabilities=CAP_NET_BIND_SERVICE\n",
            )
            .replace(
                "CapabilityBoundingSet=\n",
                "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n",
            );
    }
    // Requests that run when the service is told to stop get their whole deadline to finish.
    let stop = subject.deadline_seconds().unwrap_or(30).saturating_add(10);
    let text = format!(
        "# The function `{name}` as a service of systemd:\n\
         #   install -D -m 0755 hyaline /usr/local/bin/hyaline\n\
         #   install -D -m 0644 -t {folder} {component}{manifest}\n\
         #   install -m 0644 hyaline.sysusers.conf /etc/sysusers.d/hyaline.conf && systemd-sysusers\n\
         #   install -m 0644 hyaline-{name}.service /etc/systemd/system\n\
         #   systemctl daemon-reload && systemctl enable --now hyaline-{name}\n\
         [Unit]\n\
         Description={}\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=notify\n\
         ExecStart=/usr/local/bin/hyaline {command}\n\
         Environment=HYALINE_STATE=%S/hyaline/{name} XDG_CACHE_HOME=%C/hyaline/{name}\n\
         {secrets}\
         User=hyaline\n\
         Group=hyaline\n\
         StateDirectory=hyaline/{name}\n\
         StateDirectoryMode=0700\n\
         CacheDirectory=hyaline/{name}\n\
         CacheDirectoryMode=0700\n\
         Restart=on-failure\n\
         RestartSec=1s\n\
         TimeoutStopSec={stop}s\n\
         MemoryMax={}M\n\
         LimitNOFILE=65536\n\
         TasksMax=512\n\
         \n\
         {confinement}\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        escaped(&description),
        subject.memory_mib,
    );
    File::new(format!("hyaline-{name}.service"), text)
}

/// For the right side of an assignment: `%` begins a specifier, and a `\` at the end continues the line.
fn escaped(line: &str) -> String {
    line.trim_end_matches(['\\', ' ']).replace('%', "%%")
}
