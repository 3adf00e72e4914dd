"""Programs that distributions themselves give more rights than their caller has: setuid, setgid, capabilities.

This module alone decides which of them are expected. Where dpkg's lists of files are there (`var/lib/dpkg/info`), the
package that brings the program has to be installed; the names of these lists say so, no byte of them is needed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.misconfig.tree_facts import TreeFacts

# What usual packages bring: names (`[a]` keeps spelling checkers away from one), `u` setuid, `g` setgid, `c`
# capabilities, folder, packages.
_BIN: Final = r"(?:usr/)?s?bin"
_LIB: Final = r"usr/(?:lib(?:exec|32|64|x32)?)(?:/[a-z0-9_]+-linux-[a-z0-9]+)?"
_KNOWN: Final = (
    ("ch[a]ge|expiry", "ug", _BIN, "passwd shadow"),
    ("chfn|chsh|gpasswd|passwd", "u", _BIN, "passwd shadow util-linux"),
    ("newgrp|sg", "u", _BIN, "login passwd shadow util-linux util-linux-extra"),
    ("groupmems", "ug", _BIN, "shadow"),
    ("su", "u", _BIN, "login util-linux shadow"),
    ("mount|umount", "u", _BIN, "mount util-linux"),
    ("bbsuid", "u", _BIN, "busybox-suid"),
    ("sudo|sudoedit", "u", _BIN, "sudo sudo-ldap"),
    ("sudo-rs|su-rs", "u", _BIN, "sudo-rs"),
    ("doas", "u", _BIN, "doas opendoas"),
    ("pkexec", "u", _BIN, "policykit-1 pkexec polkit"),
    ("polkit-agent-helper-1", "u", r"usr/lib(?:exec)?(?:/polkit-1|/policykit-1)?", "policykit-1 polkitd polkit"),
    (
        "dbus-daemon-launch-helper", "u", r"usr/lib(?:exec)?(?:/dbus-1(?:\.0)?)?",
        "dbus dbus-daemon dbus-system-bus-common",
    ),
    ("ssh-keysign", "ug", r"usr/lib(?:exec)?/(?:openssh|ssh)", "openssh-client openssh"),
    ("ssh-agent", "g", _BIN, "openssh-client openssh"),
    (
        r"ping6?|arping|clockdiff|traceroute6\.iputils", "uc", _BIN,
        "iputils-ping iputils-arping iputils-clockdiff iputils-tracepath inetutils-ping iputils",
    ),
    ("fping6?", "uc", _BIN, "fping"),
    ("mtr-packet|mtr", "uc", _BIN, "mtr mtr-tiny"),
    ("fusermount3?", "u", _BIN, "fuse fuse3 fuse-common"),
    ("ntfs-3g", "u", _BIN, "ntfs-3g"),
    (r"mount\.(?:nfs|cifs|ecryptfs_private)", "u", _BIN, "nfs-common cifs-utils ecryptfs-utils"),
    ("newuidmap|newgidmap", "uc", _BIN, "uidmap shadow shadow-utils"),
    ("unix_chkpwd|pam_timestamp_check|unix_extrachk|unix2_chkpwd", "ug", _BIN, "libpam-modules-bin pam linux-pam"),
    ("userhelper", "u", _BIN, "usermode"),
    ("usernetctl|netreport", "ug", _BIN, "initscripts"),
    ("crontab", "ug", _BIN, "cron cron-daemon-common cronie bcron systemd-cron"),
    ("at", "ug", _BIN, "at"),
    (r"wall|write|bsd-write|write\.ul", "g", _BIN, "bsdutils bsdmainutils bsdextrautils util-linux"),
    ("dotlockfile", "g", _BIN, "liblockfile-bin liblockfile1"),
    ("mail-(?:lock|unlock|touchlock)|lockfile|procmail", "ug", _BIN, "lockfile-progs procmail"),
    ("mlocate|plocate|locate", "g", _BIN, "mlocate plocate locate"),
    ("screen(?:-[0-9.]+)?", "ug", _BIN, "screen"),
    ("postdrop|postqueue", "g", _BIN, "postfix"),
    ("postlog", "g", _BIN, "postfix"),
    (r"sendmail\.sendmail|exim4?", "ug", _BIN, "exim4-daemon-light exim4-daemon-heavy sendmail-bin"),
    (r"mailq|dotlock\.mailutils", "ug", _BIN, "mailutils"),
    ("utempter", "g", _LIB + r"/utempter", "libutempter0 libutempter"),
    ("pppd", "u", _BIN, "ppp"),
    ("dmcrypt-get-device", "u", r"usr/lib/eject", "eject"),
    (r"Xorg\.wrap", "u", r"usr/lib(?:exec)?(?:/xorg)?", "xserver-xorg-legacy"),
    ("chrome-sandbox|chromium-sandbox", "u", r"usr/lib(?:64)?/chromium(?:-browser)?", "chromium-sandbox chromium"),
    ("snap-confine", "u", r"usr/lib/snapd", "snapd"),
    ("bwrap", "u", _BIN, "bubblewrap"),
    ("ksu", "u", _BIN, "krb5-user krb5-workstation"),
    ("staprun", "ug", _BIN, "systemtap-runtime"),
    (
        "suexec(?:-(?:pristine|custom))?", "uc", r"usr/(?:sbin|bin|lib/apache2|libexec)",
        "apache2-suexec-pristine apache2-suexec-custom httpd",
    ),
    ("pinger|basic_(?:pam|ncsa)_auth", "uc", r"usr/lib(?:64)?/squid", "squid squid-common"),
    ("(?:krb5|ldap|proxy|selinux|p11)_child|sssd_pam", "uc", r"usr/libexec/sssd", "sssd-common sssd"),
    ("grub2-set-bootflag", "u", _BIN, "grub2-tools-minimal"),
    ("abrt-action-install-debuginfo-to-abrt-cache", "ug", r"usr/libexec", "abrt"),
    ("camel-lock-helper(?:-[0-9.]+)?", "g", _LIB + r"(?:/[a-z0-9._-]+)?", "libcamel-1.2-64 evolution-data-server"),
    ("movemail", "ug", r"usr/lib(?:exec)?/emacs/.*", "emacs-common emacs-bin-common"),
    (
        "gst-ptp-helper", "c", _LIB + r"/gstreamer1\.0/gstreamer-1\.0|" + _LIB + r"/gstreamer-1\.0",
        "libgstreamer1.0-0 gstreamer1",
    ),
    ("dumpcap", "c", _BIN, "wireshark-common wireshark-cli"),
    ("gnome-keyring-daemon", "c", _BIN, "gnome-keyring"),
    ("nethogs|iftop|tcpdump", "c", _BIN, "nethogs iftop tcpdump"),
    ("rlogin|rsh|rcp", "uc", _BIN, "rsh-client rsh"),
    ("dnstap-read|named", "c", _BIN, "bind9"),
    ("man|mandb", "ug", r"usr/(?:bin|lib/man-db)", "man-db"),
    ("bcrontab", "u", _BIN, "bcron"),
)  # fmt: skip
_DPKG_LISTS: Final = b"var/lib/dpkg/info"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    path: re.Pattern[str]
    bits: str
    packages: tuple[str, ...]


_ENTRIES: Final = tuple(
    _Entry(path=re.compile(f"(?:{folder})/(?:{name})"), bits=bits, packages=tuple(packages.split()))
    for name, bits, folder, packages in _KNOWN
)


def expected_by(tree: TreeFacts) -> Callable[[bytes, str], bool]:
    """Return a function that tells whether a distribution brings a program with some rights.

    It takes the path, and of `ugc` those that the program has: setuid, setgid, capabilities.

    Args:
        tree: of the image.
    """
    lists = tree.folder(_DPKG_LISTS)
    names: set[str] | None = None
    if lists is not None:
        children = tree.tree.children(lists)
        names = {name.decode("ascii", "replace") for name in tree.tree.names(children) if name.endswith(b".list")}
    installed = None if not names else {name.removesuffix(".list").partition(":")[0] for name in names}

    def expected(path: bytes, bits: str) -> bool:
        text = path.decode("ascii", "replace")
        for entry in _ENTRIES:
            if entry.path.fullmatch(text) and set(bits) <= set(entry.bits):
                return installed is None or not installed.isdisjoint(entry.packages)
        return False

    return expected
