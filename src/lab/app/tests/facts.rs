//! What is known of the real applications stands in their files.

use std::collections::BTreeSet;

use super::*;

/// The call of `flow` whose span (of either side) is `span`; the first if there are several.
fn find<'a>(app: &'a Application, flow: &str, span: &str) -> &'a Call {
    let flow = app.flows.iter().find(|known| &*known.name == flow).unwrap();
    let spans = |call: &Call| call.client_span.iter().chain(&call.server_spans).any(|name| &**name == span);
    sites(flow).iter().map(|site| site.call).find(|call| spans(call)).unwrap()
}

/// The services called by a call, stage by stage.
fn stages<'a>(app: &'a Application, call: &Call) -> Vec<Vec<&'a str>> {
    let name = |call: &Call| &*app.services[call.service].name;
    call.stages.iter().map(|stage| stage.iter().map(name).collect()).collect()
}

#[test]
fn social_network_composes_in_four_stages() {
    let app = app("social-network");
    assert_eq!(app.services.len(), 26);
    assert_eq!(
        stages(&app, find(&app, "compose_post", "compose_post_server")),
        [
            vec!["unique-id-service", "user-service", "media-service", "text-service"],
            vec!["post-storage-service"],
            vec!["user-timeline-service"],
            vec!["home-timeline-service"],
        ]
    );
    let text = find(&app, "compose_post", "compose_text_server");
    assert_eq!(stages(&app, text), [["url-shorten-service", "user-mention-service"]]);
    let shares: Vec<f64> = app.flows.iter().map(|flow| flow.share).collect();
    assert_eq!(shares, [0.6, 0.3, 0.1]);
}

#[test]
fn social_network_traces_as_it_does() {
    let app = app("social-network");
    let nginx = &app.services[app.entry().unwrap()];
    assert_eq!((&*nginx.name, nginx.traced_as.as_deref()), ("nginx-thrift", Some("nginx-web-server")));
    for flow in &app.flows {
        let [request, location] = flow.root.server_spans.as_slice() else { panic!("{}", flow.name) };
        assert_eq!(request, location);
    }
    assert_eq!(find(&app, "read_home_timeline", "post_storage_read_posts_server").client_span, None);
    let find_timeline = find(&app, "read_user_timeline", "user_timeline_mongo_find_client");
    assert_eq!(find_timeline.quirk, SpanQuirk::EndsEarly);
    assert_eq!(find_timeline.transport, Transport::Mongo);
    // Posts are read beside the update of the timeline's cache.
    let read = find(&app, "read_user_timeline", "read_user_timeline_server");
    assert_eq!(stages(&app, read)[2], ["post-storage-service", "user-timeline-redis"]);
    for name in ["url-shorten-memcached", "media-memcached", "media-mongodb", "media-frontend"] {
        let load = offered(&app)[app.service(name).unwrap()];
        assert_eq!(load.calls, 0.0, "{name} is idle");
    }
}

#[test]
fn a_miss_is_one_event_for_all_that_depend_on_it() {
    let app = app("social-network");
    let cache = app.service("post-storage-memcached").unwrap();
    for span in ["mongo_find_client", "mmc_set_client"] {
        let Chance::MissOf { cache: of, keys, draw } = &find(&app, "read_home_timeline", span).chance else {
            panic!("{span} depends on no cache")
        };
        assert_eq!((*of, *keys, &**draw), (cache, 10, "posts"));
    }
    // But five hotels are five events.
    let app = self::app("hotel-reservation");
    let draws: BTreeSet<&Name> = sites(&app.flows[0])
        .iter()
        .filter(|site| site.call.client_span.as_deref() == Some("mongo_rate"))
        .filter_map(
            |site| if let Chance::MissOf { draw, .. } = &site.call.chance { Some(draw) } else { None },
        )
        .collect();
    assert_eq!(draws.len(), 5);
}

#[test]
fn media_meets_in_compose_review() {
    let app = app("media");
    assert_eq!(app.trace_sampling, 1.0);
    let [flow] = app.flows.as_slice() else { panic!("one flow") };
    let table = sites(flow);
    let last: Vec<_> =
        table.iter().filter(|site| matches!(site.call.chance, Chance::LastOf { .. })).collect();
    assert_eq!(last.len(), 5);
    for site in last {
        assert_eq!(site.call.chance, Chance::LastOf { group: "uploads".into(), of: 5 });
        assert_eq!(site.call.transport, Transport::Local);
        let caller = table[site.parent.unwrap() as usize].call;
        assert_eq!(caller.service, site.call.service);
        assert!(caller.server_spans[0].starts_with("Upload"));
        let reviews = ["review-storage-service", "user-review-service", "movie-review-service"];
        assert_eq!(stages(&app, site.call), [vec!["compose-review-memcached"], reviews.to_vec()]);
        // What is called from within the process leaves it again.
        assert!(site.call.stages[1].iter().all(|call| call.transport == Transport::Thrift));
    }
    // Nobody reports client spans, but of calls to stores.
    let thrift = table.iter().filter(|site| site.call.transport == Transport::Thrift);
    assert!(thrift.clone().count() > 20);
    assert!(thrift.into_iter().all(|site| site.call.client_span.is_none()));
    assert_eq!(find(&app, "compose_review", "MongoFindMovie").quirk, SpanQuirk::CoversRest);
    assert_eq!(app.services[app.entry().unwrap()].traced_as.as_deref(), Some("nginx"));
}

#[test]
fn hotel_reservation_searches_in_sequence() {
    let app = app("hotel-reservation");
    assert_eq!(
        stages(&app, find(&app, "search", "HTTP GET /hotels")),
        [["search"], ["reservation"], ["profile"]]
    );
    let search = find(&app, "search", "/search.Search/Nearby");
    assert_eq!(stages(&app, search), [["geo"], ["rate"]]);
    assert_eq!(search.client_span.as_ref(), search.server_spans.first(), "otgrpc names both alike");
    assert!(
        app.services
            .iter()
            .all(|service| service.kind != Kind::Stateless || service.connections.limit.is_none())
    );
    let reserve = find(&app, "reserve", "/reservation.Reservation/MakeReservation");
    assert!(reserve.stages.iter().flatten().all(|call| call.client_span.is_none()), "no spans of stores");
    let keyed = find(&app, "search", "mongodb_capacity_get_multi_number<number>_<date>_<date>");
    let named = operation(keyed.client_span.as_deref().unwrap(), 7);
    assert!(named.starts_with("mongodb_capacity_get_multi_number") && named.contains("_2015-04-"), "{named}");
    // The cache is filled in the background.
    let profile = find(&app, "recommend", "/profile.Profile/GetProfiles");
    assert!(!profile.stages[2][0].awaited);
}

#[test]
fn online_boutique_calls_one_after_the_other() {
    let app = app("online-boutique");
    assert_eq!(app.services.len(), 11);
    for flow in &app.flows {
        assert_eq!(flow.root.server_spans, [Name::from("frontend")]);
        for site in sites(flow) {
            assert!(site.call.stages.iter().all(|stage| stage.len() == 1));
            assert!(!matches!(site.call.repeat, Repeat::Parallel(..)));
        }
    }
    let ads = find(&app, "index", "hipstershop.AdService/GetAds");
    assert_eq!(ads.timeout_ms, Some(100.0));
    assert_eq!(find(&app, "index", "hipstershop.CurrencyService/Convert").repeat, Repeat::Sequential(9, 9));
    assert_eq!(find(&app, "checkout", "hipstershop.CheckoutService/PlaceOrder").stages.len(), 9);
    let converts = sites(app.flows.iter().find(|flow| &*flow.name == "checkout").unwrap())
        .iter()
        .filter(|site| site.call.client_span.as_deref() == Some("hipstershop.CurrencyService/Convert"))
        .map(|site| site.call.chance.clone())
        .collect::<Vec<_>>();
    assert_eq!(converts.len(), 2);
    assert_eq!(converts[0], converts[1], "one currency a request");
}

#[test]
fn chains_and_fan_outs_have_any_length() {
    for length in [2, 5, 10, 64] {
        let chain = app(&format!("chain-{length}"));
        assert_eq!(chain.services.len(), length);
        let depths: Vec<u32> = sites(&chain.flows[0]).iter().map(|site| site.depth).collect();
        assert_eq!(depths, (0..length as u32).collect::<Vec<_>>());
        let fanout = app(&format!("fanout-{length}"));
        let [stage] = fanout.flows[0].root.stages.as_slice() else { panic!("one stage") };
        let called: Vec<ServiceId> = stage.iter().map(|call| call.service).collect();
        assert_eq!(called, (1..length).collect::<Vec<_>>());
    }
    for name in ["chain-1", "chain-65", "chain-05", "chain-+5", "chain-", "chain", "fanout-0", "ring-5", ""] {
        assert!(matches!(named(name), Err(AppError::Unknown { .. })), "{name}");
    }
}

#[test]
fn sites_stand_behind_their_callers_in_order() {
    let app = app("social-network");
    for flow in &app.flows {
        let table = sites(flow);
        assert_eq!((table[0].parent, table[0].depth), (None, 0));
        for (number, site) in table.iter().enumerate().skip(1) {
            let parent = site.parent.unwrap() as usize;
            assert!(parent < number);
            assert_eq!(site.depth, table[parent].depth + 1);
            let stage = &table[parent].call.stages[site.stage as usize];
            assert!(stage.iter().any(|call| std::ptr::eq(call, site.call)));
        }
        let children = table.iter().map(|site| site.call.stages.iter().flatten().count()).sum::<usize>();
        assert_eq!(table.len(), children + 1);
    }
}
