# A share of the link for one pod: Linux HTB at the root of an interface (tc-htb(8)), under the handle
# 1a:. It is added where there is nothing but what the kernel put there, and never replaces anything.
htb() {
    verb=$1
    shift
    case $verb in
    apply)
        [ $# -eq 12 ] || usage htb
        op=$1 interface=$2 cgroup=$3 container=$4 uid=$5 before=$6
        link=$7 victim=$8 rest=$9
        shift 9
        manage=$1 direction=$2 address=$3
        seat=$root/sys/fs/cgroup$cgroup
        check_place
        check_interface "$interface"
        case $before in noqueue | mq | fq_codel | pfifo_fast) ;; *) usage before ;; esac
        for rate in "$link" "$victim" "$rest" "$manage"; do check_number "$rate" rate; done
        case $direction in src | dst) ;; *) usage direction ;; esac
        case $address in '' | *[!0-9.]*) usage address ;; esac
        begin
        htb_apply
        ;;
    undo)
        [ $# -eq 3 ] || usage htb
        op=$1 of=$2 interface=$3
        check_word "$of" operation
        check_interface "$interface"
        begin
        htb_undo
        ;;
    read)
        [ $# -eq 1 ] || usage htb
        interface=$1
        check_interface "$interface"
        queues
        printf '%s\n' "$found"
        [ "$found" != 'htb 1a:' ] || tc class show dev "$interface"
        ;;
    *) usage htb ;;
    esac
}

# The kind of the root's queues if all is as the kernel made it, else what is not.
queues() {
    said=$(tc qdisc show dev "$interface" 2>&1) || {
        [ "$verb" != read ] || { printf '%s\n' "$said"; exit 77; }
        finish 77 "$said"
    }
    found=''
    while read -r word kind handle place; do
        case "$word $kind $handle" in
        'qdisc noqueue 0:' | 'qdisc mq 0:' | 'qdisc fq_codel 0:' | 'qdisc pfifo_fast 0:')
            case $place in root*) found=$kind ;; esac
            ;;
        *)
            found="$kind $handle"
            break
            ;;
        esac
    done <<SAID
$said
SAID
}

try() {
    said=$("$@" 2>&1) && return 0
    tc qdisc del dev "$interface" root handle 1a: 2>/dev/null
    unschedule "$op"
    finish 78 "$said ($*)"
}

htb_apply() {
    need tc
    check_seat
    queues
    [ "$found" = "$before" ] || finish 76 "$found"
    schedule htb undo "revert-$op" "$op" "$interface"
    # Not by `try`: what is there if it fails is not ours to delete.
    said=$(tc qdisc add dev "$interface" root handle 1a: htb default 20 r2q 100 2>&1) || {
        unschedule "$op"
        finish 78 "$said (tc qdisc add dev $interface root handle 1a: htb default 20 r2q 100)"
    }
    class() { try tc class add dev "$interface" "$@"; }
    filter() { try tc filter add dev "$interface" parent 1a: protocol ip prio "$@"; }
    class parent 1a: classid 1a:1 htb rate "${link}bit" ceil "${link}bit"
    # ssh, the API server and the kubelet: who is locked out cannot undo anything.
    class parent 1a:1 classid 1a:5 htb rate "${manage}bit" ceil "${link}bit" prio 0 quantum 60000
    class parent 1a:1 classid 1a:10 htb rate "${victim}bit" ceil "${link}bit" prio 0 quantum 60000
    class parent 1a:1 classid 1a:20 htb rate "${rest}bit" ceil "${rest}bit" prio 1 quantum 60000
    for port in 22 6443 10250; do
        filter 1 u32 match ip sport "$port" 0xffff flowid 1a:5
        filter 1 u32 match ip dport "$port" 0xffff flowid 1a:5
    done
    filter 2 u32 match ip "$direction" "$address/32" flowid 1a:10
    queues
    if [ "$found" != 'htb 1a:' ]; then
        unschedule "$op"
        finish 78 "it reads back as $found"
    fi
    finish 0 "$(tc class show dev "$interface" 2>&1)"
}

htb_undo() {
    need tc
    queues
    case $found in
    'htb 1a:')
        said=$(tc qdisc del dev "$interface" root handle 1a: 2>&1) || finish 78 "$said"
        queues
        ;;
    noqueue | mq | fq_codel | pfifo_fast) ;;
    *) finish 76 "$found" ;;
    esac
    unschedule "$of"
    finish 0 "$found"
}
