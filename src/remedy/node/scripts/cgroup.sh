# A container's processor time and disk traffic: cpu.max and io.max of its cgroup
# (Documentation/admin-guide/cgroup-v2.rst).
cgroup() {
    verb=$1
    shift
    case $verb in
    apply)
        [ $# -eq 8 ] || usage cgroup
        op=$1
        shift
        ;;
    undo)
        [ $# -eq 9 ] || usage cgroup
        op=$1 of=$2
        check_word "$of" operation
        shift 2
        ;;
    read) [ $# -eq 7 ] || usage cgroup ;;
    *) usage cgroup ;;
    esac
    file=$1 cgroup=$2 container=$3 uid=$4 before=$5 after=$6 unit=$7
    seat=$root/sys/fs/cgroup$cgroup
    check_place
    case $file in
    cpu.max)
        check_quota "$before"
        check_quota "$after"
        ;;
    io.max)
        [ "$before" = absent ] || check_limits "$before"
        check_limits "$after"
        ;;
    *) usage file ;;
    esac
    case $unit in *[!A-Za-z0-9:_.-]*) usage unit ;; none | [!-]*.scope) ;; *) usage unit ;; esac
    [ "$verb" = read ] || begin
    "cgroup_$verb"
}

cgroup_read() {
    now=gone
    [ ! -f "$seat/$file" ] || present
    printf '%s\n' "$now"
}

# Microseconds, or `max`, in a period of microseconds.
check_quota() {
    case $1 in *' '*' '*) usage quota ;; *' '*) ;; *) usage quota ;; esac
    [ "${1% *}" = max ] || check_number "${1% *}" quota
    check_number "${1#* }" period
}

# A line such as `8:0 rbps=1000 wbps=max riops=max wiops=max`.
check_limits() {
    case $1 in *[!a-z0-9:=\ ]*) usage limits ;; [0-9]*:[0-9]*' rbps='*' wbps='*' riops='*' wiops='*) ;; *) usage limits ;; esac
}

# What the file says now: of `io.max` the disk's line.
present() {
    case $file in
    cpu.max) now=$(cat "$seat/cpu.max" 2>/dev/null) ;;
    io.max)
        now=$(grep "^${after%% *} " "$seat/io.max" 2>/dev/null) || now=absent
        ;;
    esac
}

# A bare write to what systemd owns would be undone by it; for it the quota is in percent.
limit() {
    if [ "$file" = cpu.max ] && [ "$unit" != none ]; then
        quota=${1% *} period=${1#* }
        percent=''
        [ "$quota" = max ] || percent=$((quota * 100 / period))%
        said=$(systemctl set-property --runtime "$unit" "CPUQuota=$percent" 2>&1)
        return
    fi
    case $1 in
    absent) put "$seat/$file" "${after%% *} rbps=max wbps=max riops=max wiops=max" ;;
    *) put "$seat/$file" "$1" ;;
    esac
}

cgroup_apply() {
    check_seat
    [ -f "$seat/$file" ] || finish 77 "the container's cgroup has no $file: its controller is not on"
    if [ "$file" = cpu.max ] &&
        grep -q '"policyName": *"static"' "$root/var/lib/kubelet/cpu_manager_state" 2>/dev/null; then
        finish 77 'the kubelet hands out processors itself (static CPU manager)'
    fi
    present
    [ "$now" = "$before" ] || finish 76 "$now"
    schedule cgroup undo "revert-$op" "$op" "$file" "$cgroup" "$container" "$uid" "$before" "$after" "$unit"
    limit "$after" || {
        why=$said
        unschedule "$op"
        finish 78 "$why"
    }
    present
    if [ "$now" != "$after" ]; then
        why="it reads back as $now"
        limit "$before"
        unschedule "$op"
        finish 78 "$why"
    fi
    finish 0 "$now"
}

cgroup_undo() {
    # With its container the limit is gone as well.
    if [ ! -f "$seat/$file" ]; then
        unschedule "$of"
        finish 0 'absent'
    fi
    present
    [ "$now" = "$after" ] || [ "$now" = "$before" ] || finish 76 "$now"
    [ "$now" = "$before" ] || limit "$before" || finish 78 "$said"
    present
    [ "$now" = "$before" ] || finish 78 "it reads back as $now"
    unschedule "$of"
    finish 0 "$now"
}
