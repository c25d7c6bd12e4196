"""Shapes of the messages that have one: what the server sends and what a client asks, for server versions 157 to 178.

Facts read from the decoders of two client libraries and from recorded conversations. Messages with repeated groups are a
layout of the head and one of a row.
"""

from core.venues.simulated.tws.wire import layout

_C11 = "conId symbol secType expiry strike=0 right multiplier exchange currency localSymbol tradingClass"
_C12 = "conId symbol secType expiry strike=0 right multiplier exchange primaryExchange currency localSymbol tradingClass"

CONTRACT_ASKED = layout(_C12)

# what the server sends
TICK_PRICE = layout("id=1 version=6 reqId tickType price size mask=0")
TICK_SIZE = layout("id=2 version=6 reqId tickType size")
ORDER_STATUS = layout(
    "id=3 orderId status filled remaining avgFillPrice permId parentId=0 lastFillPrice clientId whyHeld mktCapPrice=0"
)
ERROR = layout("id=4 version=2 reqId code text advancedReject>=166")
ACCOUNT_VALUE = layout("id=6 version=2 key value currency account")
PORTFOLIO = layout(
    "id=7 version=8 conId symbol secType expiry strike=0 right=0 multiplier primaryExchange currency localSymbol "
    "tradingClass position marketPrice marketValue averageCost unrealizedPNL realizedPNL account"
)
ACCOUNT_TIME = layout("id=8 version=1 time")
NEXT_VALID_ID = layout("id=9 version=1 orderId")
CONTRACT_DETAILS = layout(
    "id=10 version=8<164 reqId symbol secType expiry strike=0 right exchange currency localSymbol marketName "
    "tradingClass conId minTick mdSizeMultiplier=100<164 multiplier orderTypes validExchanges priceMagnifier=1 "
    "underConId=0 longName primaryExchange contractMonth industry category subcategory timeZoneId tradingHours "
    "liquidHours evRule evMultiplier secIdCount=1 secIdTag=ISIN secIdValue aggGroup=1 underSymbol underSecType "
    "marketRuleIds realExpirationDate stockType=COMMON minSize=1>=164 sizeIncrement=1>=164 "
    "suggestedSizeIncrement=100>=163"
)
EXECUTION = layout(
    f"id=11 reqId orderId {_C11} execId time account venue side shares price permId clientId liquidation=0 cumQty avgPrice "
    "orderRef evRule evMultiplier modelCode lastLiquidity=2 pendingPriceRevision=0>=178"
)
DEPTH = layout("id=12 version=1 reqId position operation side price size")
DEPTH_L2 = layout("id=13 version=1 reqId position marketMaker operation side price size isSmartDepth")
MANAGED_ACCOUNTS = layout("id=15 version=1 accounts")
HISTORY = layout("id=17 reqId start end count")
HISTORY_BAR = layout("date open high low close volume average barCount")
TICK_GENERIC = layout("id=45 version=6 reqId tickType value")
TICK_STRING = layout("id=46 version=6 reqId tickType value")
CURRENT_TIME = layout("id=49 version=1 time")
REALTIME_BAR = layout("id=50 version=3 reqId time open high low close volume average barCount")
CONTRACT_DETAILS_END = layout("id=52 version=1 reqId")
OPEN_ORDER_END = layout("id=53 version=1")
ACCOUNT_DOWNLOAD_END = layout("id=54 version=1 account")
EXECUTION_END = layout("id=55 version=1 reqId")
SNAPSHOT_END = layout("id=57 version=1 reqId")
MARKET_DATA_TYPE = layout("id=58 version=1 reqId type")
COMMISSION = layout("id=59 version=1 execId commission currency=USD realizedPNL yield=1.7976931348623157E308 yieldDate")
POSITION = layout(f"id=61 version=3 account {_C11} position averageCost")
POSITION_END = layout("id=62 version=1")
ACCOUNT_SUMMARY = layout("id=63 version=1 reqId account tag value currency")
ACCOUNT_SUMMARY_END = layout("id=64 version=1 reqId")
ACCOUNT_MULTI = layout("id=73 version=1 reqId account modelCode key value currency")
ACCOUNT_MULTI_END = layout("id=74 version=1 reqId")
DEPTH_EXCHANGES = layout("id=80 count")
DEPTH_EXCHANGE = layout("exchange secType=STK listingExchange serviceDataType aggGroup")
TICK_REQUEST_PARAMETERS = layout("id=81 reqId minTick bboExchange snapshotPermissions=3")
HEAD_TIMESTAMP = layout("id=88 reqId time")
HISTORY_UPDATE = layout("id=90 reqId barCount date open close high low average volume")
TICKS_MIDPOINT = layout("id=96 reqId count")
TICK_MIDPOINT = layout("time mask=0 price size=0")
TICKS_BID_ASK = layout("id=97 reqId count")
TICK_BID_ASK = layout("time mask=0 bid ask bidSize askSize")
TICKS_LAST = layout("id=98 reqId count")
TICK_LAST = layout("time mask=0 price size exchange conditions")
STREAM_LAST = layout("id=99 reqId tickType time price size mask=0 exchange conditions")
STREAM_BID_ASK = layout("id=99 reqId tickType=3 time bid ask bidSize askSize mask=0")
STREAM_MIDPOINT = layout("id=99 reqId tickType=4 time price")
COMPLETED_ORDERS_END = layout("id=102")

_OPEN_TAIL = (
    "adjustedOrderType=None triggerPrice=1.7976931348623157E308 trailStopPriceAgain=1.7976931348623157E308 "
    "lmtPriceOffset=1.7976931348623157E308 adjustedStopPrice=1.7976931348623157E308 "
    "adjustedStopLimitPrice=1.7976931348623157E308 adjustedTrailingAmount=1.7976931348623157E308 adjustableTrailingUnit=0 "
    "softDollarName softDollarValue softDollarDisplay cashQty=0 dontUseAutoPriceForHedge=1 isOmsContainer=0 "
    "discretionaryUpToLimitPrice=0 usePriceMgmtAlgo=0 duration>=159 postToAts>=160 autoCancelParent=0>=162 "
)
_PEGGED = "minTradeQty>=170 minCompeteSize>=170 competeAgainstBestOffset>=170 midOffsetAtWhole>=170 midOffsetAtHalf>=170"
_MARGINS = " ".join(
    f"{name}=1.7976931348623157E308"
    for name in (
        "initMarginBefore", "maintMarginBefore", "equityWithLoanBefore", "initMarginChange", "maintMarginChange",
        "equityWithLoanChange", "initMarginAfter", "maintMarginAfter", "equityWithLoanAfter",
    )
)  # fmt: skip

#: the venue says `None` for no delta-neutral order, which makes its fields follow
_DELTA_NEUTRAL = (
    "deltaNeutralConId=0 deltaNeutralSettlingFirm deltaNeutralClearingAccount deltaNeutralClearingIntent "
    "deltaNeutralOpenClose=? deltaNeutralShortSale=0 deltaNeutralShortSaleSlot=0 deltaNeutralDesignatedLocation"
)
OPEN_ORDER = layout(
    f"id=5 orderId {_C11} action totalQuantity orderType lmtPrice=0 auxPrice=0 tif=DAY ocaGroup account openClose "
    "origin=0 orderRef clientId permId outsideRth=0 hidden=0 discretionaryAmt=0 goodAfterTime sharesAllocation "
    "faGroup faMethod faPercentage faProfile<177 modelCode goodTillDate rule80A percentOffset settlingFirm "
    "shortSaleSlot=0 designatedLocation exemptCode=-1 auctionStrategy=0 startingPrice stockRefPrice delta "
    "stockRangeLower stockRangeUpper displaySize=2147483647 blockOrder=0 sweepToFill=0 allOrNone=0 minQty ocaType=3 "
    "eTradeOnly=0 firmQuoteOnly=0 nbboPriceCap parentId=0 triggerMethod=0 volatility volatilityType=0 "
    f"deltaNeutralOrderType=None deltaNeutralAuxPrice {_DELTA_NEUTRAL} continuousUpdate=0 referencePriceType=0 "
    "trailStopPrice trailingPercent basisPoints basisPointsType comboLegsDescrip "
    "comboLegs=0 orderComboLegs=0 smartComboParams=0 "
    "scaleInitLevelSize=2147483647 scaleSubsLevelSize=2147483647 scalePriceIncrement hedgeType optOutSmartRouting=0 "
    f"clearingAccount clearingIntent=IB notHeld=0 deltaNeutral=0 algoStrategy solicited=0 whatIf=0 status {_MARGINS} "
    "commission minCommission maxCommission commissionCurrency warningText randomizeSize=0 randomizePrice=0 "
    f"conditions=0 {_OPEN_TAIL}{_PEGGED}"
)
COMPLETED_ORDER = layout(
    f"id=101 {_C11} action totalQuantity orderType lmtPrice=0 auxPrice=0 tif=DAY ocaGroup account openClose origin=0 "
    "orderRef permId outsideRth=0 hidden=0 discretionaryAmt=0 goodAfterTime faGroup faMethod faPercentage "
    "faProfile<177 modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot=0 designatedLocation "
    "exemptCode=-1 startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize=2147483647 "
    "sweepToFill=0 allOrNone=0 minQty ocaType=3 triggerMethod=0 volatility volatilityType=0 deltaNeutralOrderType=None "
    "deltaNeutralAuxPrice deltaNeutralConId=0 deltaNeutralShortSale=0 deltaNeutralShortSaleSlot=0 "
    "deltaNeutralDesignatedLocation continuousUpdate=0 referencePriceType=0 trailStopPrice trailingPercent comboLegsDescrip "
    "comboLegs=0 orderComboLegs=0 smartComboParams=0 scaleInitLevelSize=2147483647 scaleSubsLevelSize=2147483647 "
    "scalePriceIncrement hedgeType clearingAccount clearingIntent=IB notHeld=0 deltaNeutral=0 algoStrategy "
    "solicited=0 status randomizeSize=0 randomizePrice=0 conditions=0 trailStopPriceAgain=1.7976931348623157E308 "
    "lmtPriceOffset=1.7976931348623157E308 cashQty=0 dontUseAutoPriceForHedge=1 isOmsContainer=0 autoCancelDate "
    "filledQuantity refFuturesConId=0 autoCancelParent=0 shareholder imbalanceOnly=0 routeMarketableToBbo=0 "
    f"parentPermId=0 completedTime completedStatus {_PEGGED}"
)

# what a client asks; the id is read before
ASK_MKT_DATA = layout("generics snapshot regulatory options")
ASK_CONTRACT = layout("includeExpired secIdType secId issuerId>=176")
ASK_DEPTH = layout("rows isSmartDepth options")
ASK_HISTORY = layout("includeExpired end barSize duration useRTH what formatDate")
ASK_REALTIME_BARS = layout("barSize what useRTH options")
ASK_HEAD = layout("includeExpired useRTH what formatDate")
ASK_HISTORICAL_TICKS = layout("includeExpired start end count what useRTH ignoreSize options")
ASK_TICK_BY_TICK = layout("tickType count ignoreSize")
ASK_EXECUTIONS = layout("clientId account time symbol secType exchange side")

# placeOrder: the stretches between the parts whose length depends on what was said before
ORDER_HEAD = layout(
    "secIdType secId action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef "
    "transmit parentId blockOrder sweepToFill displaySize triggerMethod outsideRth hidden"
)
ORDER_COMBO_LEG = layout("conId ratio action exchange openClose shortSaleSlot designatedLocation exemptCode")
ORDER_MIDDLE = layout(
    "sharesAllocation discretionaryAmt goodAfterTime goodTillDate faGroup faMethod faPercentage faProfile<177 modelCode "
    "shortSaleSlot designatedLocation exemptCode ocaType rule80A settlingFirm allOrNone minQty percentOffset eTradeOnly "
    "firmQuoteOnly nbboPriceCap auctionStrategy startingPrice stockRefPrice delta stockRangeLower stockRangeUpper "
    "overridePercentageConstraints volatility volatilityType deltaNeutralOrderType deltaNeutralAuxPrice"
)
ORDER_DELTA_NEUTRAL = layout(
    "deltaNeutralConId deltaNeutralSettlingFirm deltaNeutralClearingAccount deltaNeutralClearingIntent "
    "deltaNeutralOpenClose deltaNeutralShortSale deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation"
)
ORDER_TRAIL_SCALE = layout(
    "continuousUpdate referencePriceType trailStopPrice trailingPercent scaleInitLevelSize scaleSubsLevelSize "
    "scalePriceIncrement"
)
ORDER_SCALE = layout(
    "scalePriceAdjustValue scalePriceAdjustInterval scaleProfitOffset scaleAutoReset scaleInitPosition scaleInitFillQty "
    "scaleRandomPercent"
)
ORDER_HEDGE = layout("scaleTable activeStartTime activeStopTime hedgeType")
ORDER_CLEARING = layout("optOutSmartRouting clearingAccount clearingIntent notHeld")
ORDER_ALGO_END = layout("algoId whatIf orderMiscOptions solicited randomizeSize randomizePrice")
ORDER_PEG_BENCH = layout(
    "referenceContractId isPeggedChangeAmountDecrease peggedChangeAmount referenceChangeAmount referenceExchangeId"
)
ORDER_TAIL = layout(
    "adjustedOrderType triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice adjustedTrailingAmount "
    "adjustableTrailingUnit extOperator softDollarName softDollarValue cashQty mifid2DecisionMaker mifid2DecisionAlgo "
    "mifid2ExecutionTrader mifid2ExecutionAlgo dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice "
    "usePriceMgmtAlgo duration>=158 postToAts>=160 autoCancelParent>=162 advancedErrorOverride>=166 manualOrderTime>=169"
)
