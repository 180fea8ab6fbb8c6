#!/usr/bin/env perl
# A client for HA_TEST_CLIENT, for front-ends that speak lines themselves: passes them on.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
my $server = IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die "port $ARGV[0]: $@\n";
while (my $line = <STDIN>) {
    print $server $line;
    defined(my $answer = <$server>) or exit;
    print $answer;
}
