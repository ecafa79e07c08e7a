# What a machine is and what runs on it. Changes nothing.
probe() {
    verb=$1
    shift
    case $verb in
    machine)
        [ $# -eq 0 ] || usage probe
        printf '%s\n' '=protocol' ' 1'
        tell kernel uname -r
        printf '%s\n' '=tools'
        for tool in flock systemd-run systemctl crictl tc nsenter ip lsblk; do
            ! command -v "$tool" >/dev/null 2>&1 || printf ' %s\n' "$tool"
        done
        tell vendor grep vendor_id "$root/proc/cpuinfo"
        tell filesystem grep -w resctrl "$root/proc/filesystems"
        tell mount grep ' resctrl ' "$root/proc/mounts"
        tell controllers cat "$root/sys/fs/cgroup/cgroup.controllers"
        show cpu-manager "$root/var/lib/kubelet/cpu_manager_state"
        show routes "$root/proc/net/route"
        tell disks lsblk -no MAJ:MIN,TYPE
        tell links ip -j link show
        probe_resctrl
        ;;
    container)
        [ $# -eq 1 ] || usage probe
        check_container "$1"
        tell inspect crictl inspect -o json "$1"
        ;;
    usage)
        # Processor time and disk traffic so far of every container of Kubernetes, in both ways in which
        # kubelets lay out their groups.
        [ $# -eq 0 ] || usage probe
        top=$root/sys/fs/cgroup
        for seat in "$top"/kubepods*/*/* "$top"/kubepods*/*/*/*; do
            [ -f "$seat/cgroup.procs" ] || continue
            show "cpu.stat${seat#"$top"}" "$seat/cpu.stat"
            show "io.stat${seat#"$top"}" "$seat/io.stat"
        done
        ;;
    process)
        [ $# -eq 1 ] || usage probe
        check_number "$1" process
        show cgroup "$root/proc/$1/cgroup"
        tell peer nsenter -t "$1" -n cat /sys/class/net/eth0/iflink
        at=$(grep '^0::/' "$root/proc/$1/cgroup" 2>/dev/null | cut -d: -f3)
        case $at in '' | *..*) return 0 ;; esac
        seat=$root/sys/fs/cgroup$at
        for file in cgroup.threads cpu.max cpu.stat io.max io.stat; do
            show "$file" "$seat/$file"
        done
        show subtree_control "${seat%/*}/cgroup.subtree_control"
        ;;
    interface)
        [ $# -eq 1 ] || usage probe
        check_interface "$1"
        show speed "$root/sys/class/net/$1/speed"
        show ifindex "$root/sys/class/net/$1/ifindex"
        tell qdisc tc -j qdisc show dev "$1"
        tell class tc -j class show dev "$1"
        ;;
    *) usage probe ;;
    esac
}

probe_resctrl() {
    base=$root/sys/fs/resctrl
    [ -f "$base/schemata" ] || return 0
    for file in "$base"/info/L3*/* "$base"/info/MB/*; do
        inner=${file#"$base"/info/}
        case $inner in
        L3_MON/*) ;;
        *) show "info/$inner" "$file" ;;
        esac
    done
    show schemata "$base/schemata"
    show mode "$base/mode"
    for group in "$base"/*; do
        [ -f "$group/schemata" ] || continue
        show "group/${group##*/}/schemata" "$group/schemata"
        show "group/${group##*/}/mode" "$group/mode"
    done
}
