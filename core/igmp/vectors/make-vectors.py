# Makes packets.json, drops.json, frames.json and the pcapng beside the captures; run from the root of the repository with scapy 2.5.0.
import json, struct
from scapy.all import *
from scapy.contrib.igmp import IGMP
from scapy.contrib.igmpv3 import *
RA=[IPOption_Router_Alert()]
def ip(src,dst,ra=True,**k): return IP(src=src,dst=dst,ttl=1,tos=0xc0,options=RA if ra else [],id=0,proto=2,**k)
def cks(b):
    b=bytearray(b); b[2:4]=b"\0\0"; s=0
    d=bytes(b)+(b"\0" if len(b)%2 else b"")
    for i in range(0,len(d),2): s+=(d[i]<<8)|d[i+1]
    while s>>16: s=(s&0xffff)+(s>>16)
    s=~s&0xffff; b[2]=s>>8; b[3]=s&255; return bytes(b)
S="scapy 2.5.0"
good=[]
def g(name,pkt,kind,sender,group,**more):
    good.append(dict(name=name,source=S,hex=bytes(pkt).hex(),kind=kind,**{"from":sender},group=group,**more))
q=lambda **k: IGMPv3(type=0x11,mrcode=k.pop("mrcode",100))/IGMPv3mq(**k)
g("v1 general query",ip("10.0.0.1","224.0.0.1")/IGMP(type=0x11,mrcode=0),"v1Query","10.0.0.1","0.0.0.0",query=dict(version=1,maxResponse=10000,suppress=False,robustness=0,queryInterval=0,sources=[]))
g("v2 general query",ip("10.0.0.1","224.0.0.1")/IGMP(type=0x11,mrcode=100),"v2Query","10.0.0.1","0.0.0.0",query=dict(version=2,maxResponse=10000,suppress=False,robustness=0,queryInterval=0,sources=[]))
g("v2 group-specific query, code linear at 255",ip("10.0.0.1","239.1.1.1")/IGMP(type=0x11,mrcode=255,gaddr="239.1.1.1"),"v2Query","10.0.0.1","239.1.1.1",query=dict(version=2,maxResponse=25500,suppress=False,robustness=0,queryInterval=0,sources=[]))
g("v3 general query",ip("10.0.0.1","224.0.0.1")/q(qrv=2,qqic=125),"v3Query","10.0.0.1","0.0.0.0",query=dict(version=3,maxResponse=10000,suppress=False,robustness=2,queryInterval=125000,sources=[]))
g("v3 group-specific query with S",ip("10.0.0.1","239.1.1.1")/q(mrcode=10,gaddr="239.1.1.1",s=1,qrv=7,qqic=31),"v3Query","10.0.0.1","239.1.1.1",query=dict(version=3,maxResponse=1000,suppress=True,robustness=7,queryInterval=31000,sources=[]))
g("v3 group-and-source-specific query",ip("10.0.0.1","239.1.1.1")/q(mrcode=10,gaddr="239.1.1.1",qrv=2,qqic=125,srcaddrs=["192.0.2.1","192.0.2.200"]),"v3Query","10.0.0.1","239.1.1.1",query=dict(version=3,maxResponse=1000,suppress=False,robustness=2,queryInterval=125000,sources=["192.0.2.1","192.0.2.200"]))
g("v1 report",ip("10.0.0.9","239.1.1.1")/IGMP(type=0x12,mrcode=0,gaddr="239.1.1.1"),"v1Report","10.0.0.9","239.1.1.1")
g("v2 report",ip("10.0.0.9","239.1.1.1")/IGMP(type=0x16,mrcode=0,gaddr="239.1.1.1"),"v2Report","10.0.0.9","239.1.1.1")
g("leave",ip("10.0.0.9","224.0.0.2")/IGMP(type=0x17,mrcode=0,gaddr="239.1.1.1"),"leave","10.0.0.9","239.1.1.1")
def rep(*recs): return IGMPv3(type=0x22,mrcode=0)/IGMPv3mr(numgrp=len(recs),records=list(recs))
T={1:"is-in",2:"is-ex",3:"to-in",4:"to-ex",5:"allow",6:"block"}
for t,n in T.items():
    g(f"v3 report {n}",ip("10.0.0.9","224.0.0.22")/rep(IGMPv3gr(rtype=t,maddr="239.1.1.1",numsrc=2,srcaddrs=["192.0.2.1","192.0.2.2"])),"v3Report","10.0.0.9","0.0.0.0",records=[dict(type=n,group="239.1.1.1",sources=["192.0.2.1","192.0.2.2"])])
g("v3 report of three records",ip("10.0.0.9","224.0.0.22")/rep(IGMPv3gr(rtype=4,maddr="239.1.1.1",numsrc=0),IGMPv3gr(rtype=5,maddr="232.1.1.1",numsrc=1,srcaddrs=["192.0.2.1"]),IGMPv3gr(rtype=3,maddr="239.1.1.2",numsrc=0)),"v3Report","10.0.0.9","0.0.0.0",records=[dict(type="to-ex",group="239.1.1.1",sources=[]),dict(type="allow",group="232.1.1.1",sources=["192.0.2.1"]),dict(type="to-in",group="239.1.1.2",sources=[])])

for x in good: x["writable"]=True
H="header by scapy 2.5.0, payload packed by a script from the figure of "
def raw(name,payload,kind,sender,group,src,dst="224.0.0.22",ra=True,pad=b"",**more):
    p=bytes(ip(sender,dst,ra)/Raw(cks(payload)))+pad
    good.append(dict(name=name,source=H+src,hex=p.hex(),kind=kind,**{"from":sender},group=group,writable=False,**more))
A=lambda s: bytes(map(int,s.split(".")))
raw("v2 report with trailing octets",bytes([0x16,0,0,0])+A("239.1.1.1")+b"\xde\xad\xbe",  "v2Report","10.0.0.9","239.1.1.1","RFC 2236 2 (2.5: trailing octets)",dst="239.1.1.1")
raw("v3 query with trailing octets",bytes([0x11,100,0,0])+A("0.0.0.0")+bytes([2,125,0,0])+b"\xff"*10,"v3Query","10.0.0.1","0.0.0.0","RFC 3376 4.1 (4.1.10: additional data)",dst="224.0.0.1",query=dict(version=3,maxResponse=10000,suppress=False,robustness=2,queryInterval=125000,sources=[]))
raw("v3 query with reserved bits set",bytes([0x11,100,0,0])+A("0.0.0.0")+bytes([0xf2,125,0,0]),"v3Query","10.0.0.1","0.0.0.0","RFC 3376 4.1 (4.1.4: Resv ignored)",dst="224.0.0.1",query=dict(version=3,maxResponse=10000,suppress=False,robustness=2,queryInterval=125000,sources=[]))
raw("v3 report with auxiliary data",bytes([0x22,0,0,0,0,0,0,2])+bytes([4,2,0,0])+A("239.1.1.1")+b"auxdata!"+bytes([5,0,0,1])+A("239.1.1.2")+A("192.0.2.1"),"v3Report","10.0.0.9","0.0.0.0","RFC 3376 4.2 (4.2.10: auxiliary data)",records=[dict(type="to-ex",group="239.1.1.1",sources=[]),dict(type="allow",group="239.1.1.2",sources=["192.0.2.1"])])
raw("v3 report with an unknown record type",bytes([0x22,0,0,0,0,0,0,2])+bytes([9,0,0,1])+A("239.1.1.1")+A("192.0.2.1")+bytes([4,0,0,0])+A("239.1.1.2"),"v3Report","10.0.0.9","0.0.0.0","RFC 3376 4.2 (4.2.12: unrecognized record types)",records=[dict(type="unknown",group="239.1.1.1",sources=["192.0.2.1"]),dict(type="to-ex",group="239.1.1.2",sources=[])])
raw("v3 report with trailing octets after the records",bytes([0x22,0,0,0,0,0,0,1])+bytes([4,0,0,0])+A("239.1.1.1")+b"\x01\x02\x03","v3Report","10.0.0.9","0.0.0.0","RFC 3376 4.2 (4.2.11: additional data)",records=[dict(type="to-ex",group="239.1.1.1",sources=[])])
raw("v3 report from 0.0.0.0 to 224.0.0.1 without Router Alert",bytes([0x22,0,0,0,0,0,0,1])+bytes([4,0,0,0])+A("239.1.1.1"),"v3Report","0.0.0.0","0.0.0.0","RFC 3376 4.2 (4.2.13: unspecified source)",dst="224.0.0.1",ra=False,records=[dict(type="to-ex",group="239.1.1.1",sources=[])])
raw("v2 report with link padding after the packet",bytes([0x16,0,0,0])+A("239.1.1.1"),"v2Report","10.0.0.9","239.1.1.1","RFC 2236 2, padded to 46 octets",dst="239.1.1.1",ra=False,pad=b"\xaa"*18)
json.dump(good,open("core/igmp/vectors/packets.json","w"),indent=1)
bad=[]
def b(name,reason,data,src="scapy 2.5.0, then changed as the name says"): bad.append(dict(name=name,reason=reason,source=src,hex=bytes(data).hex()))
def fixip(x):
    x=bytearray(x); h=(x[0]&15)*4; x[10:12]=b"\0\0"; s=sum((x[i]<<8)|x[i+1] for i in range(0,h,2))
    while s>>16: s=(s&0xffff)+(s>>16)
    s=~s&0xffff; x[10]=s>>8;x[11]=s&255; return bytes(x)
ok=bytes(ip("10.0.0.9","239.1.1.1")/IGMP(type=0x16,mrcode=0,gaddr="239.1.1.1"))
def patch(x,at,val): x=bytearray(x); x[at:at+len(val)]=val; return bytes(x)
b("an empty packet","ip.truncated",b"")
b("nineteen octets","ip.truncated",ok[:19])
b("shorter than its total length","ip.truncated",ok[:-1])
b("IP version 6","ip.version",patch(ok,0,b"\x66"))
b("a header of four words","ip.header-length",fixip(patch(ok,0,b"\x44")))
b("a total length below the header's","ip.total-length",fixip(patch(ok,2,b"\x00\x10")))
b("UDP","ip.not-igmp",bytes(IP(src="10.0.0.9",dst="224.0.0.251")/UDP(sport=5353,dport=5353)/b"x"))
b("a wrong header checksum","ip.checksum",patch(ok,8,b"\x02"))
b("the first fragment","ip.fragment",fixip(patch(ok,6,b"\x20\x00")))
b("a later fragment","ip.fragment",fixip(patch(ok,6,b"\x00\x02")))
b("a multicast source","ip.source",fixip(patch(ok,12,b"\xef\x01\x01\x01")))
def rawb(name,reason,payload,dst="224.0.0.22",c=True): b(name,reason,ip("10.0.0.9",dst)/Raw(cks(payload) if c else payload),"header by scapy 2.5.0, payload packed by a script")
rawb("an IGMP message of seven octets","igmp.truncated",bytes([0x16,0,0,0,239,1,1]))
rawb("no IGMP message at all","igmp.truncated",b"",c=False)
rawb("a wrong IGMP checksum","igmp.checksum",bytes([0x16,0,0xab,0xcd])+A("239.1.1.1"),c=False)
rawb("a broken octet behind the message counts in the checksum","igmp.checksum",cks(bytes([0x16,0,0,0])+A("239.1.1.1"))+b"\x01",c=False)
rawb("mtrace, type 0x1f","igmp.unknown-type",bytes([0x1f,7,0,0])+A("239.1.1.1")*4)
rawb("DVMRP, type 0x13","igmp.unknown-type",bytes([0x13,5,0,0])+A("0.0.0.0"))
for n in (9,10,11): rawb(f"a query of {n} octets","igmp.query-length",(bytes([0x11,100,0,0])+A("0.0.0.0")+b"\x02\x7d\x00")[:n],dst="224.0.0.1")
rawb("a query that claims one source more than it has","igmp.query-truncated",bytes([0x11,10,0,0])+A("239.1.1.1")+bytes([2,125,0,2])+A("192.0.2.1"),dst="239.1.1.1")
rawb("a general query with sources","igmp.query-sources",bytes([0x11,10,0,0])+A("0.0.0.0")+bytes([2,125,0,1])+A("192.0.2.1"),dst="224.0.0.1")
rawb("a query about a unicast address","igmp.group-not-multicast",bytes([0x11,10,0,0])+A("10.1.1.1"),dst="224.0.0.1")
rawb("a v2 report of a unicast address","igmp.group-not-multicast",bytes([0x16,0,0,0])+A("10.1.1.1"))
rawb("a leave of 240.0.0.1","igmp.group-not-multicast",bytes([0x17,0,0,0])+A("240.0.0.1"))
rawb("a record that ends after four octets (PcapPlusPlus IgmpTests)","igmp.record-truncated",bytes([0x22,0,0,0,0,0,0,1,4,0,0,0]))
rawb("a record with fewer sources than it claims","igmp.record-truncated",bytes([0x22,0,0,0,0,0,0,1,1,0,0,2])+A("239.1.1.1")+A("192.0.2.1"))
rawb("auxiliary data beyond the packet","igmp.record-truncated",bytes([0x22,0,0,0,0,0,0,1,4,3,0,0])+A("239.1.1.1")+b"12345678")
rawb("two records claimed, one there","igmp.record-truncated",bytes([0x22,0,0,0,0,0,0,2,4,0,0,0])+A("239.1.1.1"))
json.dump(bad,open("core/igmp/vectors/drops.json","w"),indent=1)
fr=[]
def f(name,pkt,reason=None,mac=None,vlans=None,keep=None): 
    d=bytes(pkt); d=d if keep is None else d[:keep]
    fr.append(dict(name=name,source="scapy 2.5.0",hex=d.hex(),**({"reason":reason} if reason else {"mac":mac,"vlans":vlans})))
e=Ether(src="02:11:22:33:44:55",dst="01:00:5e:01:01:01"); inner=IP(ok)
f("untagged",e/inner,mac="02:11:22:33:44:55",vlans=[])
f("one 802.1Q tag",e/Dot1Q(vlan=77)/inner,mac="02:11:22:33:44:55",vlans=[77])
f("802.1ad and 802.1Q",e/Dot1AD(vlan=100)/Dot1Q(vlan=7)/inner,mac="02:11:22:33:44:55",vlans=[100,7])
f("priority tag",e/Dot1Q(vlan=0,prio=5)/inner,mac="02:11:22:33:44:55",vlans=[0])
f("three tags",e/Dot1Q(vlan=1)/Dot1Q(vlan=2)/Dot1Q(vlan=3)/inner,reason="frame.too-many-tags")
f("IPv6",e/IPv6()/UDP(),reason="frame.not-ipv4")
f("ARP",e/ARP(),reason="frame.not-ipv4")
f("thirteen octets",e/inner,reason="frame.truncated",keep=13)
f("a tag cut off",e/Dot1Q(vlan=1)/inner,reason="frame.truncated",keep=15)
f("a group address as source",Ether(src="01:00:5e:01:01:01",dst="01:00:5e:01:01:01")/inner,reason="frame.source")
json.dump(fr,open("core/igmp/vectors/frames.json","w"),indent=1)
# captures of other kinds from the kernel one
pk=rdpcap("core/igmp/vectors/kernel-v2.pcap")
V="core/capture/vectors/"
w=PcapNgWriter(V+"kernel-v2.pcapng"); w.write(pk); w.close()
