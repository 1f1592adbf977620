// Chinese names of capitals by ISO country code, written by hand: the country package has them in English only.

const table =
  'AF喀布尔 AL地拉那 DZ阿尔及尔 AD安道尔城 AO罗安达 AG圣约翰 AR布宜诺斯艾利斯 AM埃里温 AU堪培拉 AT维也纳 AZ巴库 BS拿骚 BH麦纳麦 BD达卡 BB布里奇顿 BY明斯克 BE布鲁塞尔 BZ贝尔莫潘 BJ波多诺伏 BT廷布 BO苏克雷 BA萨拉热窝 BW哈博罗内 BR巴西利亚 BN斯里巴加湾市 BG索非亚 BF瓦加杜古 BI基特加 KH金边 CM雅温得 CA渥太华 CV普拉亚 CF班吉 TD恩贾梅纳 CL圣地亚哥 CN北京 CO波哥大 KM莫罗尼 CG布拉柴维尔 CD金沙萨 CR圣何塞 CI亚穆苏克罗 HR萨格勒布 CU哈瓦那 CY尼科西亚 CZ布拉格 DK哥本哈根 DJ吉布提市 DM罗索 DO圣多明各 EC基多 EG开罗 SV圣萨尔瓦多 GQ马拉博 ER阿斯马拉 EE塔林 SZ姆巴巴内 ET亚的斯亚贝巴 FJ苏瓦 FI赫尔辛基 FR巴黎 GA利伯维尔 GM班珠尔 GE第比利斯 DE柏林 GH阿克拉 GR雅典 GD圣乔治 GT危地马拉城 GN科纳克里 GW比绍 GY乔治敦 HT太子港 HN特古西加尔巴 HU布达佩斯 IS雷克雅未克 IN新德里 ID雅加达 IR德黑兰 IQ巴格达 IE都柏林 IL耶路撒冷 IT罗马 JM金斯敦 JP东京 JO安曼 KZ阿斯塔纳 KE内罗毕 KI南塔拉瓦 KW科威特城 KG比什凯克 LA万象 LV里加 LB贝鲁特 LS马塞卢 LR蒙罗维亚 LY的黎波里 LI瓦杜兹 LT维尔纽斯 LU卢森堡市 MG塔那那利佛 MW利隆圭 MY吉隆坡 MV马累 ML巴马科 MT瓦莱塔 MH马朱罗 MR努瓦克肖特 MU路易港 MX墨西哥城 FM帕利基尔 MD基希讷乌 MC摩纳哥 MN乌兰巴托 ME波德戈里察 MA拉巴特 MZ马普托 MM内比都 NA温得和克 NR亚伦 NP加德满都 NL阿姆斯特丹 NZ惠灵顿 NI马那瓜 NE尼亚美 NG阿布贾 KP平壤 MK斯科普里 NO奥斯陆 OM马斯喀特 PK伊斯兰堡 PW恩吉鲁穆德 PA巴拿马城 PG莫尔兹比港 PY亚松森 PE利马 PH马尼拉 PL华沙 PT里斯本 QA多哈 RO布加勒斯特 RU莫斯科 RW基加利 KN巴斯特尔 LC卡斯特里 VC金斯敦 WS阿皮亚 SM圣马力诺 ST圣多美 SA利雅得 SN达喀尔 RS贝尔格莱德 SC维多利亚 SL弗里敦 SG新加坡 SK布拉迪斯拉发 SI卢布尔雅那 SB霍尼亚拉 SO摩加迪沙 ZA比勒陀利亚 KR首尔 SS朱巴 ES马德里 LK科伦坡 SD喀土穆 SR帕拉马里博 SE斯德哥尔摩 CH伯尔尼 SY大马士革 TJ杜尚别 TZ多多马 TH曼谷 TL帝力 TG洛美 TO努库阿洛法 TT西班牙港 TN突尼斯 TR安卡拉 TM阿什哈巴德 TV富纳富提 UG坎帕拉 UA基辅 AE阿布扎比 GB伦敦 US华盛顿 UY蒙得维的亚 UZ塔什干 VU维拉港 VA梵蒂冈 VE加拉加斯 VN河内 YE萨那 ZM卢萨卡 ZW哈拉雷'

/** Chinese capital names by two-letter country code. */
export const capitalsZh: ReadonlyMap<string, string> = new Map(
  table.split(' ').map((entry) => [entry.slice(0, 2), entry.slice(2)]),
)
